"""Every text of the report, in English and in Russian, by its key.

A text names the values that belong into it and how each is written, such as ``{owed:money}``.
"""

from collections.abc import Mapping

from retention_metrics.report._texts._ads import ADS
from retention_metrics.report._texts._coming import COMING
from retention_metrics.report._texts._doing import DOING
from retention_metrics.report._texts._orders import ORDERS
from retention_metrics.report._texts._page import PAGE
from retention_metrics.report._texts._prepaid import PREPAID
from retention_metrics.report._texts._subscriptions import SUBSCRIPTIONS
from retention_metrics.report._texts._survey import SURVEY

TEXTS: Mapping[str, tuple[str, str]] = {
    **PAGE,
    **ORDERS,
    **COMING,
    **SUBSCRIPTIONS,
    **SURVEY,
    **PREPAID,
    **ADS,
    **DOING,
}
"""English and Russian by key."""
