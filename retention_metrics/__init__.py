"""Customer economics: NPS, retention, cohorts, lifetime value, acquisition cost, growth, prepaid packages and cash."""

from retention_metrics import (
    cashflow,
    churn,
    cohorts,
    errors,
    growth,
    logs,
    ltv,
    nps,
    plots,
    predictive,
    prepaid,
    redemption,
    report,
    revenue,
    survival,
)
from retention_metrics._stats import Bounds, Interval, Intervals, Rate
from retention_metrics.errors import RetentionMetricsError, RetentionMetricsWarning, UndefinedMetric

__version__ = "0.1.0"

__all__ = [
    "Bounds",
    "Interval",
    "Intervals",
    "Rate",
    "RetentionMetricsError",
    "RetentionMetricsWarning",
    "UndefinedMetric",
    "__version__",
    "cashflow",
    "churn",
    "cohorts",
    "errors",
    "growth",
    "logs",
    "ltv",
    "nps",
    "plots",
    "predictive",
    "prepaid",
    "redemption",
    "report",
    "revenue",
    "survival",
]
