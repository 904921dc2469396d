"""Event logs in any dataframe: what happened, to whom, when and for how much."""

from retention_metrics.logs._prepaid import PrepaidEvents
from retention_metrics.logs._responses import Responses
from retention_metrics.logs._segments import Segments
from retention_metrics.logs._subscriptions import Subscriptions
from retention_metrics.logs._summary import LogSummary
from retention_metrics.logs._transactions import Transactions

__all__ = ["LogSummary", "PrepaidEvents", "Responses", "Segments", "Subscriptions", "Transactions"]
