"""Purchase models: who is still a customer, how often they will buy, what they will bring, and how sure that is."""

from retention_metrics.predictive._bg_bb import BgBb
from retention_metrics.predictive._bg_nbd import BgNbd
from retention_metrics.predictive._diagnosis import Diagnosis, diagnose
from retention_metrics.predictive._fit import Bootstrap, Boundary, BoundaryWarning, Fit
from retention_metrics.predictive._gamma_gamma import GammaGamma
from retention_metrics.predictive._histories import Histories
from retention_metrics.predictive._mbg_nbd import MbgNbd
from retention_metrics.predictive._pareto_nbd import ParetoNbd
from retention_metrics.predictive._purchases import PurchaseModel
from retention_metrics.predictive._sbg import ShiftedBetaGeometric
from retention_metrics.predictive._validation import (
    ComparedModel,
    ModelComparison,
    PastRow,
    RevenueForecast,
    Tracking,
    Validation,
    compare,
    expected_tracking,
    validate,
)
from retention_metrics.predictive._value import CustomerValues, customer_lifetime_value

__all__ = [
    "BgBb",
    "BgNbd",
    "Bootstrap",
    "Boundary",
    "BoundaryWarning",
    "ComparedModel",
    "CustomerValues",
    "Diagnosis",
    "Fit",
    "GammaGamma",
    "Histories",
    "MbgNbd",
    "ModelComparison",
    "ParetoNbd",
    "PastRow",
    "PurchaseModel",
    "RevenueForecast",
    "ShiftedBetaGeometric",
    "Tracking",
    "Validation",
    "compare",
    "customer_lifetime_value",
    "diagnose",
    "expected_tracking",
    "validate",
]
