"""The customer base over time: stock and flow, steady state, referral, chance, and the choice to acquire or to keep."""

from retention_metrics.growth._comparison import (
    Crossover,
    StrategyComparison,
    StrategyOutcome,
    compare_strategies,
)
from retention_metrics.growth._projection import Projection, project
from retention_metrics.growth._simulation import Simulation, simulate
from retention_metrics.growth._steady import half_way_time, steady_state
from retention_metrics.growth._strategies import Base, Strategy
from retention_metrics.growth._targets import required_acquisition, required_retention
from retention_metrics.growth._viral import referral_amplification, viral_users

__all__ = [
    "Base",
    "Crossover",
    "Projection",
    "Simulation",
    "Strategy",
    "StrategyComparison",
    "StrategyOutcome",
    "compare_strategies",
    "half_way_time",
    "project",
    "referral_amplification",
    "required_acquisition",
    "required_retention",
    "simulate",
    "steady_state",
    "viral_users",
]
