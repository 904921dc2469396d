"""Redemption: when prepaid customers come back, and how many of their sessions are still to be delivered."""

from retention_metrics.redemption._fit import ParameterDraws, RedemptionFit
from retention_metrics.redemption._goodness import GoodnessOfFit
from retention_metrics.redemption._live import LiveBook, live_book
from retention_metrics.redemption._model import RedemptionModel
from retention_metrics.redemption._recursion import ExpectedRedemption

__all__ = [
    "ExpectedRedemption",
    "GoodnessOfFit",
    "LiveBook",
    "ParameterDraws",
    "RedemptionFit",
    "RedemptionModel",
    "live_book",
]
