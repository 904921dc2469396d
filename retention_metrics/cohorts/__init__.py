"""The cohort table: customers by the period that won them, followed through the periods after it.

Columns are ages: periods of the calendar since that of the cohort; or windows of 24 hours, 7 or 30 days since the first
event of each customer; or brackets of either.

A cell is in one of three states, and never in two. ``observed``: its period had ended by ``as_of``, and 0 means
that nobody came; the count is final, except with ``counting="on_or_after"``, where later purchases still
count. ``partial``: its period is running; the count is a count so far.
``unobserved``: its period lies ahead; there is no count, and NaN stands in its place.
"""

from retention_metrics.cohorts._making import from_counts, from_customers
from retention_metrics.cohorts._table import CohortTable

__all__ = ["CohortTable", "from_counts", "from_customers"]
