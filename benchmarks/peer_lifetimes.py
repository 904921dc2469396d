"""The peer lifetimes: its summary of a transaction log. Runs in the peers' environment."""

import warnings

import pandas as pd
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


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main({"rfm lifetimes": Variant(pd.read_parquet, rfm, save)})
