"""A program that uses the public API with precise types; mypy --strict reads it, and a test runs it."""

import datetime as dt
from typing import assert_type

import numpy as np
import polars as pl
from numpy.typing import NDArray

import retention_metrics as rm

one = rm.churn.retention_rate(start=200, end=220, new=40)
assert_type(one, float)
many = rm.churn.retention_rate(start=[200, 400], end=[220, 400], new=[40, 20])
assert_type(many, NDArray[np.float64])
assert_type(rm.churn.rescale_churn(0.05, periods=12), float)
assert_type(rm.churn.rescale_churn(np.array([0.05]), periods=12), NDArray[np.float64])
assert_type(rm.ltv.lifetime_value(margin=40, churn=0.05, discount=0.01, timing="end"), float)
assert_type(rm.ltv.ltv_to_cac(ltv=[60.0], cac=rm.ltv.acquisition_cost(spend=410, customers=15)), NDArray[np.float64])
assert_type(rm.growth.project(acquired=15, retention=1.0, periods=4).active, NDArray[np.float64])

frame = pl.DataFrame(
    {"who": ["ann", "ann", "bob"], "day": [dt.date(2026, 1, 5), dt.date(2026, 2, 4), dt.date(2026, 1, 9)]}
)
orders = rm.logs.Transactions(frame, customer="who", time="day")
table = orders.cohorts(period="month", as_of=dt.date(2026, 2, 28), counting="on_or_after")
assert_type(table, rm.cohorts.CohortTable)
assert_type(table.interval(0.9).low, NDArray[np.float64])
assert_type(orders.repeat_purchase_rate(as_of="2026-02-28").interval(), rm.Interval)
assert_type(orders.status_counts(as_of="2026-02-28", lost_after=30), dict[str, int])
