"""Customer economics: retention, cohorts, lifetime value, acquisition cost and growth."""

from retention_metrics import churn, cohorts, errors, growth, logs, ltv, report
from retention_metrics._stats import Interval, Intervals, Rate
from retention_metrics.errors import RetentionMetricsError, RetentionMetricsWarning, UndefinedMetric

__version__ = "0.1.0"

__all__ = [
    "Interval",
    "Intervals",
    "Rate",
    "RetentionMetricsError",
    "RetentionMetricsWarning",
    "UndefinedMetric",
    "__version__",
    "churn",
    "cohorts",
    "errors",
    "growth",
    "logs",
    "ltv",
    "report",
]
