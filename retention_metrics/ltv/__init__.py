"""What a customer is worth and what one costs: lifetime value, acquisition cost, payback, and channels compared."""

from retention_metrics.ltv._acquisition import (
    AcquisitionCosts,
    CostCell,
    LaggedCost,
    acquisition_cost,
    acquisition_costs,
    lagged_acquisition_cost,
    ltv_to_cac,
)
from retention_metrics.ltv._channel_rows import ChannelComparison, ChannelRow, Channels
from retention_metrics.ltv._channels import channels
from retention_metrics.ltv._estimate import LifetimeValue, lifetime_value_estimate
from retention_metrics.ltv._from_cohorts import CohortValue, value_from_cohorts
from retention_metrics.ltv._from_curve import CurveValue, value_from_curve
from retention_metrics.ltv._marginal import MarginalCost, marginal_cost
from retention_metrics.ltv._payback import Payback, payback
from retention_metrics.ltv._referrals import (
    ReferralValue,
    ReminderSpacings,
    best_spacing,
    expected_referrals,
    referral_value,
)
from retention_metrics.ltv._returns import break_even_units, magic_number, roas, romi
from retention_metrics.ltv._trend import CostTrend, cost_trend
from retention_metrics.ltv._value import lifetime_value
from retention_metrics.ltv._win_back import WinBack, WinBackRanking, win_back

__all__ = [
    "AcquisitionCosts",
    "ChannelComparison",
    "ChannelRow",
    "Channels",
    "CohortValue",
    "CostCell",
    "CostTrend",
    "CurveValue",
    "LaggedCost",
    "LifetimeValue",
    "MarginalCost",
    "Payback",
    "ReferralValue",
    "ReminderSpacings",
    "WinBack",
    "WinBackRanking",
    "acquisition_cost",
    "acquisition_costs",
    "best_spacing",
    "break_even_units",
    "channels",
    "cost_trend",
    "expected_referrals",
    "lagged_acquisition_cost",
    "lifetime_value",
    "lifetime_value_estimate",
    "ltv_to_cac",
    "magic_number",
    "marginal_cost",
    "payback",
    "referral_value",
    "roas",
    "romi",
    "value_from_cohorts",
    "value_from_curve",
    "win_back",
]
