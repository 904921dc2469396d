"""Pictures of the results: each function takes a result and an optional ``ax``, draws, and returns the ``ax``.

One visual language for all: blue for what the picture is about, vermilion for what to look out for, grey for the rest,
in colours that colour-blind readers can tell apart. The style holds for the picture alone; the settings of matplotlib
stay as they were. Without ``ax`` a figure of the width of a page is made; with one, labels are thinned out until they
fit. :func:`alt_text` says in words what a picture shows, for readers who cannot see it.

Needs matplotlib: ``pip install 'retention-metrics[plot]'``. It is imported by the first picture, not before.
"""

from retention_metrics.plots._cash import cash_and_debt, reserve_curve, stress_depths
from retention_metrics.plots._channels import channel_returns
from retention_metrics.plots._cohorts import cohort_heatmap, retention_curve
from retention_metrics.plots._growth import break_even, customer_base
from retention_metrics.plots._nps import nps_segments, nps_trend
from retention_metrics.plots._prepaid import roll_forward
from retention_metrics.plots._purchases import calibration, tracking_curve
from retention_metrics.plots._redemption import visit_hazard, visits_by_period
from retention_metrics.plots._revenue import revenue_waterfall
from retention_metrics.plots._style import alt_text
from retention_metrics.plots._survival import survival_curves

__all__ = [
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
]
