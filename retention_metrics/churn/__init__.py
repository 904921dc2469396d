"""Retention and churn: rates by name, conversion between periods, lifetimes, plans, and the base over time."""

from retention_metrics.churn._conversion import expected_lifetime, half_life, hazard, rescale_churn
from retention_metrics.churn._flow import (
    CustomerFlow,
    PurchaseCycle,
    ShortWindowWarning,
    inactivity_cutoff,
    retention_window,
)
from retention_metrics.churn._mix import BlendedRateWarning, MixedLifetime, blended_churn, mixed_lifetime
from retention_metrics.churn._plan import (
    LossReason,
    LossReasons,
    NetFlow,
    PlanCheck,
    against_plan,
    losses_by_reason,
    net_flow,
)
from retention_metrics.churn._rates import (
    DefinedRate,
    Definitions,
    average_retention,
    churn_rate,
    cohort_retention,
    definitions,
    retention_interval,
    retention_rate,
)

__all__ = [
    "BlendedRateWarning",
    "CustomerFlow",
    "DefinedRate",
    "Definitions",
    "LossReason",
    "LossReasons",
    "MixedLifetime",
    "NetFlow",
    "PlanCheck",
    "PurchaseCycle",
    "ShortWindowWarning",
    "against_plan",
    "average_retention",
    "blended_churn",
    "churn_rate",
    "cohort_retention",
    "definitions",
    "expected_lifetime",
    "half_life",
    "hazard",
    "inactivity_cutoff",
    "losses_by_reason",
    "mixed_lifetime",
    "net_flow",
    "rescale_churn",
    "retention_interval",
    "retention_rate",
    "retention_window",
]
