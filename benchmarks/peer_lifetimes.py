"""The peer lifetimes: its summary of a transaction log, and its purchase models. Runs in the peers' environment."""

import warnings

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter, ParetoNBDFitter
from lifetimes.utils import summary_data_from_transaction_data
from measure import Variant, main

AS_OF = "2026-10-31"


def rfm(log):
    return summary_data_from_transaction_data(
        log, "customer", "time", monetary_value_col="amount", observation_period_end=AS_OF
    )


def save(answer, path):
    """Write the answer down; lifetimes reports 0 as the mean of no repeat purchases, which is no value."""
    once = answer["frequency"] == 0
    assert (answer.loc[once, "monetary_value"] == 0).all()
    answer["monetary_value"] = answer["monetary_value"].mask(once)
    answer.reset_index().to_parquet(path)


def purchase_job(job, table, truth, spend, terms):
    """A job of purchase_models.py, as a function whose answer is a number or an array."""
    history = [table[name] for name in ("frequency", "recency", "T")]
    money = table["monetary_value"]
    again = history[0] > 0
    buying, paying = BetaGeoFitter(), GammaGammaFitter()
    buying.params_, paying.params_ = pd.Series(truth), pd.Series(spend)
    buying.predict = buying.conditional_expected_number_of_purchases_up_to_time
    calls = {
        "fit BG/NBD": lambda: likelihood(BetaGeoFitter().fit(*history), *history),
        "fit Pareto/NBD": lambda: likelihood(ParetoNBDFitter().fit(*history), *history),
        "fit Gamma-Gamma": lambda: likelihood(
            GammaGammaFitter().fit(history[0][again], money[again]), history[0][again], money[again]
        ),
        "expected purchases": lambda: buying.predict(terms["ahead"], *history),
        "P(alive)": lambda: buying.conditional_probability_alive(*history),
        "CLV of a year": lambda: paying.customer_lifetime_value(
            buying, *map(pd.Series, (*history, money)), time=terms["periods"], discount_rate=terms["discount"], freq="M"
        ),
    }
    return calls[job]


def likelihood(fitter, *columns):
    """Log-likelihood at the parameters that were found."""
    ones = np.ones(len(columns[0]))
    return -fitter._negative_log_likelihood(np.log(fitter.params_.values), *columns, ones, 0) * len(ones)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main({"rfm lifetimes": Variant(pd.read_parquet, rfm, save)})
