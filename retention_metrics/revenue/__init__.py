"""Recurring revenue: amounts per month, movements, retention in money, and growth by where it comes from."""

from retention_metrics.revenue._amounts import monthly_amount
from retention_metrics.revenue._definitions import DefinedRate, Definitions, definitions
from retention_metrics.revenue._earned import EarnedGrowth, earned_growth
from retention_metrics.revenue._flow import RevenueFlow
from retention_metrics.revenue._movements import Movements, compound_retention, follow_cohort, movements
from retention_metrics.revenue._rates import gross_churn, gross_retention, net_churn, net_retention, quick_ratio
from retention_metrics.revenue._waterfall import Waterfall, waterfall

__all__ = [
    "DefinedRate",
    "Definitions",
    "EarnedGrowth",
    "Movements",
    "RevenueFlow",
    "Waterfall",
    "compound_retention",
    "definitions",
    "earned_growth",
    "follow_cohort",
    "gross_churn",
    "gross_retention",
    "monthly_amount",
    "movements",
    "net_churn",
    "net_retention",
    "quick_ratio",
    "waterfall",
]
