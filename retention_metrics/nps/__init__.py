"""Net Promoter Score: score, intervals, tests, sample size, weights, segments, change; satisfaction beside it."""

from retention_metrics.nps._bias import (
    ChangeDecomposition,
    PostStratified,
    SegmentChange,
    decompose_change,
    nonresponse_bounds,
    post_stratify,
)
from retention_metrics.nps._comparison import (
    NpsComparison,
    NpsSegments,
    SegmentRow,
    compare,
    compare_paired,
    compare_segments,
)
from retention_metrics.nps._coverage import coverage
from retention_metrics.nps._drivers import Driver, DriverAnalysis, drivers
from retention_metrics.nps._integrity import AgentIntegrity, SurveyIntegrity
from retention_metrics.nps._reasons import Reason, ReasonTable, reasons
from retention_metrics.nps._sample_size import sample_size, sample_size_to_detect
from retention_metrics.nps._satisfaction import Ratings, effort, satisfaction_index, top_box
from retention_metrics.nps._score import NpsScore, Weighting, from_counts, net_promoter_score, score
from retention_metrics.nps._tables import NpsCell, NpsStep, NpsTable, NpsTrend

__all__ = [
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
]
