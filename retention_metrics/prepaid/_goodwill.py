"""Money paid out of goodwill for packages of which nothing is left: all of it is a cost, and nothing else moves."""

import numpy as np

from retention_metrics.prepaid._booked import Booked
from retention_metrics.prepaid._columns import Columns
from retention_metrics.prepaid._replay import Postings


def goodwill(columns: Columns, booked: Booked) -> Postings:
    """What such refunds move."""
    events, packages, owners = np.array(booked.goodwill, np.int64).reshape(-1, 3).T
    amount = columns.amount[events]
    return Postings(columns.posted[events], packages, owners, {"refunds_paid": amount, "refund_excess": amount})
