"""The cash gap of prepaid services: when prepaying customers come back, is their money still there?"""

from retention_metrics.cashflow._flows import Flows
from retention_metrics.cashflow._forecast import Bands, CashGapForecast, FirstGap
from retention_metrics.cashflow._policy import FirmPolicy
from retention_metrics.cashflow._policy_table import PolicyTable, policy_table
from retention_metrics.cashflow._reserve import required_opening_cash, required_reserve_ratio
from retention_metrics.cashflow._run import CashRun, PathScalars, run_policy
from retention_metrics.cashflow._run_off import run_off_reserve
from retention_metrics.cashflow._sales import SalesPath
from retention_metrics.cashflow._shocks import CommonShock, MassReturn, RefundRun
from retention_metrics.cashflow._simulate import simulate
from retention_metrics.cashflow._stress import ReminderValue, StressRow, StressTest, reminder_value, stress

__all__ = [
    "Bands",
    "CashGapForecast",
    "CashRun",
    "CommonShock",
    "FirmPolicy",
    "FirstGap",
    "Flows",
    "MassReturn",
    "PathScalars",
    "PolicyTable",
    "RefundRun",
    "ReminderValue",
    "SalesPath",
    "StressRow",
    "StressTest",
    "policy_table",
    "reminder_value",
    "required_opening_cash",
    "required_reserve_ratio",
    "run_off_reserve",
    "run_policy",
    "simulate",
    "stress",
]
