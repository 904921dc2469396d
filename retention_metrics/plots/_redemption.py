"""When prepaid customers come back: the hazard of a visit, and whether it tells what happened."""

from typing import TYPE_CHECKING

import numpy as np

from retention_metrics._periods import label
from retention_metrics.plots._style import BLUE, PALE, VERMILION, describe, expect, key, name_periods, sheet
from retention_metrics.redemption import GoodnessOfFit, RedemptionFit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def visit_hazard(fit: RedemptionFit, *, level: float = 0.95, ax: "Axes | None" = None) -> "Axes":
    """Draw the chance of a visit in a period by the periods of silence before it, with its intervals.

    Args:
        fit: A :class:`~retention_metrics.redemption.RedemptionFit`.
        level: Confidence level of the Wilson intervals, between 0 and 1.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        InvalidType: ``fit`` is something else.
        InvalidValue: The level is not between 0 and 1.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import prepaid, redemption
        >>> plan = prepaid.PackagePlan(id="three", price=300, sessions=3)
        >>> events = [
        ...     {"kind": "purchase", "date": "2026-01-05", "package": "p1", "customer": "ann", "plan": "three"},
        ...     {"kind": "visit", "date": "2026-01-05", "package": "p1"},
        ...     {"kind": "visit", "date": "2026-03-03", "package": "p1"},
        ... ]
        >>> book = prepaid.Ledger.from_events(events, [plan], as_of="2026-04-30")
        >>> fit = redemption.RedemptionModel.fit(book, buckets=2, min_exposure=1)
        >>> axes = visit_hazard(fit, ax=Figure().subplots())
        >>> axes.lines[0].get_ydata().round(1)
        array([ 33.3, 100. ])

    References:
        Wilson (1927), *JASA* 22, 209-212, for the intervals.
    """
    expect(RedemptionFit, fit=fit)
    span, hazard = fit.hazard_interval(level), 100 * fit.model.hazard
    gaps = np.arange(hazard.size)
    names = [str(gap) for gap in gaps[:-1]] + [f"{gaps[-1]}+"]
    with sheet(ax) as ax:
        ax.vlines(
            gaps,
            100 * span.low,
            100 * span.high,
            color=BLUE,
            linewidth=2,
            alpha=0.45,
            label=f"{100 * level:g} % interval",
        )
        ax.plot(gaps, hazard, "o", color=BLUE, markersize=6, clip_on=False, label="chance of a visit")
        ax.set(xlabel=f"whole {fit.step}s of silence before it", ylabel=f"chance of a visit in a {fit.step}, %")
        ax.set(xlim=(-0.6, gaps.size - 0.4), ylim=(0, 102), yticks=range(0, 101, 20))
        name_periods(ax, names)
        key(ax)
        said = ", ".join(
            f"{chance:.3g} % after {name} ({100 * low:.3g} to {100 * high:.3g})"
            for chance, name, low, high in zip(hazard, names, span.low, span.high, strict=True)
        )
        return describe(ax, f"Chance of a visit in a {fit.step} by {fit.step}s of silence before it: {said}.")


def visits_by_period(goodness: GoodnessOfFit, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the visits that came in each period, and those that the model expected.

    Args:
        goodness: A :class:`~retention_metrics.redemption.GoodnessOfFit`.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes: bars came, the line was expected.

    Raises:
        InvalidType: ``goodness`` is something else.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import prepaid, redemption
        >>> plan = prepaid.PackagePlan(id="three", price=300, sessions=3)
        >>> events = [
        ...     {"kind": "purchase", "date": "2026-01-05", "package": "p1", "customer": "ann", "plan": "three"},
        ...     {"kind": "visit", "date": "2026-01-05", "package": "p1"},
        ...     {"kind": "visit", "date": "2026-03-03", "package": "p1"},
        ... ]
        >>> book = prepaid.Ledger.from_events(events, [plan], as_of="2026-04-30")
        >>> fit = redemption.RedemptionModel.fit(book, buckets=2, min_exposure=1)
        >>> axes = visits_by_period(fit.goodness_of_fit(), ax=Figure().subplots())
        >>> [int(bar.get_height()) for bar in axes.patches]
        [1, 0, 1, 0]

    References:
        Hosmer & Lemeshow (1980), *Communications in Statistics* A9, 1043-1069.
    """
    expect(GoodnessOfFit, goodness=goodness)
    names = [label(opened, goodness.step) for opened in goodness.period]
    with sheet(ax) as ax:
        at = np.arange(len(names))
        ax.bar(at, goodness.observed, color=PALE, width=0.75, label="came")
        ax.plot(at, goodness.expected, color=VERMILION, marker=".", label="expected")
        ax.set(ylabel=f"customers with a visit in the {goodness.step}", xlim=(-0.7, len(names) - 0.3))
        name_periods(ax, names)
        key(ax)
        spread = (
            "" if goodness.dispersion is None else f" Dispersion {goodness.dispersion:.2f}, p = {goodness.p_value:.4f}."
        )
        return describe(
            ax,
            f"Visits by {goodness.step} from {names[0]} to {names[-1]}: {goodness.observed.sum():,} came and "
            f"{goodness.expected.sum():,.0f} were expected.{spread}",
        )
