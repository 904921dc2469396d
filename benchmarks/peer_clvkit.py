"""The peer clvkit: its fit of BG/NBD. Runs in an environment of its own (clvkit 0.2.1)."""

import pandas as pd
from clvkit.clv import BGNBD
from clvkit.customer_base import CustomerBase


def purchase_job(job, table, *_others):
    """A job of purchase_models.py, as a function whose answer is a number."""
    assert job == "fit BG/NBD"
    base = CustomerBase(
        pd.DataFrame({name: table[name] for name in ("frequency", "recency", "T")}),
        time_unit="W",
        observation_period_end=pd.Timestamp("2026-10-31"),
        has_monetary=False,
        on_negative="raise",
    )
    return lambda: BGNBD().fit(base).log_likelihood_
