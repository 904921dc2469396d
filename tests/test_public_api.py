"""What the package shows to the world, and what it does not load."""

import ast
import inspect
import runpy
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import retention_metrics as rm

PACKAGE = Path(rm.__file__).parent
ROOT = Path(__file__).parents[1]
PACKAGES = (
    "cashflow",
    "churn",
    "cohorts",
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
)
MODULES = (*PACKAGES, "errors")

NAMES = {
    "cashflow": [
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
    ],
    "churn": [
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
    ],
    "cohorts": ["CohortTable", "from_counts", "from_customers"],
    "errors": [
        "InvalidRows",
        "InvalidType",
        "InvalidValue",
        "MissingColumn",
        "MissingExtra",
        "RetentionMetricsError",
        "RetentionMetricsWarning",
        "RowsExcludedWarning",
        "UndefinedMetric",
    ],
    "growth": [
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
    ],
    "logs": ["LogSummary", "PrepaidEvents", "Responses", "Segments", "Subscriptions", "Transactions"],
    "ltv": [
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
    ],
    "nps": [
        "AgentIntegrity",
        "ChangeDecomposition",
        "Driver",
        "DriverAnalysis",
        "NpsCell",
        "NpsComparison",
        "NpsScore",
        "NpsSegments",
        "NpsStep",
        "NpsTable",
        "NpsTrend",
        "PostStratified",
        "Ratings",
        "Reason",
        "ReasonTable",
        "SegmentChange",
        "SegmentRow",
        "SurveyIntegrity",
        "Weighting",
        "compare",
        "compare_paired",
        "compare_segments",
        "coverage",
        "decompose_change",
        "drivers",
        "effort",
        "from_counts",
        "net_promoter_score",
        "nonresponse_bounds",
        "post_stratify",
        "reasons",
        "sample_size",
        "sample_size_to_detect",
        "satisfaction_index",
        "score",
        "top_box",
    ],
    "plots": [
        "alt_text",
        "break_even",
        "calibration",
        "cash_and_debt",
        "channel_returns",
        "cohort_heatmap",
        "customer_base",
        "nps_segments",
        "nps_trend",
        "reserve_curve",
        "retention_curve",
        "revenue_waterfall",
        "roll_forward",
        "stress_depths",
        "survival_curves",
        "tracking_curve",
        "visit_hazard",
        "visits_by_period",
    ],
    "predictive": [
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
    ],
    "prepaid": [
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
    ],
    "redemption": [
        "ExpectedRedemption",
        "GoodnessOfFit",
        "LiveBook",
        "ParameterDraws",
        "RedemptionFit",
        "RedemptionModel",
        "live_book",
    ],
    "report": ["OrderAnswers", "Report", "build"],
    "revenue": [
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
    ],
    "survival": [
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
    ],
}
QUESTIONS = {
    "PrepaidEvents": ["dormant", "ledger", "liability", "roll_forward"],
    "Responses": ["follow_up", "integrity", "score", "trend"],
    "Subscriptions": ["lifetimes", "lost", "movements", "renewal_rate", "renewals_due", "retention_by_period"],
    "Transactions": [
        "arpu_bands",
        "at_risk",
        "channels",
        "cohorts",
        "falling_off",
        "histories",
        "lost",
        "predict",
        "prepared",
        "purchase_cycle",
        "purchase_gaps",
        "repeat_purchase_rate",
        "retention_by_period",
        "returned",
        "rfm",
        "status",
        "status_counts",
        "summary",
        "validate",
        "win_back_candidates",
    ],
}

# Upper floors first; a room imports only from floors below its own.
FLOORS = (
    {"__main__"},
    {"_inputs"},
    {"report", "_demo", "_files"},
    {"plots"},
    {"logs"},
    {"predictive"},
    {"cashflow"},
    {"redemption"},
    {"growth", "ltv", "nps", "prepaid", "revenue"},
    {"churn", "cohorts"},
    {"survival"},
    {"_frames", "_results", "_stats", "_periods"},
    {"_checks"},
    {"_typing", "errors"},
)


def test_the_face_lists_its_names_in_order():
    assert rm.__all__ == sorted(rm.__all__)
    assert set(MODULES) < set(rm.__all__)
    assert all(hasattr(rm, name) for name in rm.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_all_is_exactly_the_public_names(name):
    module = import_module(f"retention_metrics.{name}")
    assert sorted(module.__all__) == sorted(NAMES[name])
    if name not in PACKAGES:
        own = {
            key
            for key, value in vars(module).items()
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__
        }
        helpers = {"Figure", "Section", "Table", "cell_states", "cell_text", "by_reason"}
        assert {key for key in own if not key.startswith("_")} - helpers == set(module.__all__)


@pytest.mark.parametrize("log", QUESTIONS)
def test_the_questions_to_a_log(log):
    assert [name for name in dir(getattr(rm.logs, log)) if not name.startswith("_")] == QUESTIONS[log]


def test_versions_agree():
    assert rm.__version__ == version("retention-metrics")
    assert f"## [{rm.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {rm.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_rooms_import_only_from_the_floors_below():
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    upward = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("retention_metrics"):
                continue
            parts = node.module.split(".")
            targets = (
                [parts[1]] if len(parts) > 1 else [a.name for a in node.names if not a.name.startswith("__version")]
            )
            upward += [
                f"{room} imports {target}" for target in targets if target != room and floor[target] <= floor[room]
            ]
    assert upward == []
    assert {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py"} | set(PACKAGES) == {
        *floor,
        "__init__",
    }


def test_importing_loads_no_optional_library():
    optional = ["scipy", "pandas", "polars", "matplotlib", "duckdb", "pyspark", "pyarrow", "dask", "ibis"]
    program = f"import sys, retention_metrics; print([name for name in {optional!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_base_dependencies_are_three():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {name.split(">")[0] for name in project["dependencies"]} == {"narwhals", "numpy", "pydantic"}


def test_a_missing_extra_is_answered_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"polars is not installed: pip install 'retention-metrics\[polars\]'"):
        rm.growth.project(acquired=1, retention=1, periods=1).to_frame("polars")


def test_the_typed_program_runs():
    runpy.run_path(str(Path(__file__).with_name("typed_program.py")))


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
