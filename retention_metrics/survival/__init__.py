"""How long customers stay: survival curves, hazards by tenure, and the comparison of groups.

Customers who are still there count as "at least so long" (right-censored), and customers who were there before the
data began count from the day on which they came into view (late entry).
"""

from retention_metrics.survival._comparison import LogRank, logrank
from retention_metrics.survival._curve import (
    CumulativeHazard,
    RestrictedMean,
    SurvivalCurve,
    ThinRiskSetWarning,
    kaplan_meier,
    nelson_aalen,
)
from retention_metrics.survival._hazard import HazardRow, HazardTable
from retention_metrics.survival._tenure import TenureEffect, tenure_effect

__all__ = [
    "CumulativeHazard",
    "HazardRow",
    "HazardTable",
    "LogRank",
    "RestrictedMean",
    "SurvivalCurve",
    "TenureEffect",
    "ThinRiskSetWarning",
    "kaplan_meier",
    "logrank",
    "nelson_aalen",
    "tenure_effect",
]
