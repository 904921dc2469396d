"""Prepaid packages: the exact ledger of what was collected, earned, given back and is owed, and to whom."""

from retention_metrics.prepaid._audit import Audit, AuditCheck
from retention_metrics.prepaid._breakage import revenue_to_date
from retention_metrics.prepaid._columns import KINDS
from retention_metrics.prepaid._events import PrepaidEvent
from retention_metrics.prepaid._ledger import Ledger
from retention_metrics.prepaid._money import session_shares, to_minor
from retention_metrics.prepaid._packages_table import PackageTable
from retention_metrics.prepaid._people import Dormant, Expiring
from retention_metrics.prepaid._plan import OnExpiry, PackagePlan, Proportional, RefundPolicy, Remote
from retention_metrics.prepaid._policies import PolicyComparison, PolicyRow, compare_policies
from retention_metrics.prepaid._problems import InvalidEvents, Issue
from retention_metrics.prepaid._rolling import RollForward

__all__ = [
    "KINDS",
    "Audit",
    "AuditCheck",
    "Dormant",
    "Expiring",
    "InvalidEvents",
    "Issue",
    "Ledger",
    "OnExpiry",
    "PackagePlan",
    "PackageTable",
    "PolicyComparison",
    "PolicyRow",
    "PrepaidEvent",
    "Proportional",
    "RefundPolicy",
    "Remote",
    "RollForward",
    "compare_policies",
    "revenue_to_date",
    "session_shares",
    "to_minor",
]
