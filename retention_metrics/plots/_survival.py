"""How long customers stay, as curves with bands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from retention_metrics.errors import InvalidValue
from retention_metrics.plots._style import COLOURS, amounts_on, describe, expect, key, plain, sheet
from retention_metrics.survival import SurvivalCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def survival_curves(
    curves: SurvivalCurve | Mapping[str, SurvivalCurve],
    *,
    unit: str = "periods",
    level: float = 0.95,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw how many customers are still there after each time, with pointwise confidence bands.

    Curves are steps from 100 % at time 0 to the last time observed. A band ends where the curve is 0, which says
    nothing of its error.

    Args:
        curves: A :class:`~retention_metrics.survival.SurvivalCurve`, or up to six by name.
        unit: Unit of the times, for the label.
        level: Confidence level of the bands, between 0 and 1.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes, with one line a curve.

    Raises:
        InvalidType: Something else than curves.
        InvalidValue: No curve or more than six, which colours cannot tell apart; or a level outside 0 to 1.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import survival
        >>> curve = survival.kaplan_meier([2, 3, 3, 5, 8], observed=[True, True, False, True, False])
        >>> axes = survival_curves(curve, unit="months", ax=Figure().subplots())
        >>> axes.lines[0].get_ydata().round(1)
        array([100.,  80.,  60.,  30.,  30.])

    References:
        Kaplan & Meier (1958), *JASA* 53, 457-481; Kalbfleisch & Prentice (2002), *The Statistical Analysis of Failure
        Time Data*, 2nd ed., section 1.4, for the band.
    """
    named = curves if isinstance(curves, Mapping) else {"": curves}
    if not 1 <= len(named) <= len(COLOURS):
        raise InvalidValue(f"curves must be 1 to {len(COLOURS)}, so that they can be told apart, got {len(named)}")
    for name, curve in named.items():
        expect(SurvivalCurve, **{f"curves[{name!r}]" if name else "curves": curve})
    with sheet(ax) as ax:
        said = []
        for (name, curve), colour in zip(named.items(), COLOURS, strict=False):
            times, span = np.concatenate([[0.0], curve.times]), curve.interval(level)
            low, high = (100 * np.concatenate([[1.0], limit]) for limit in (span.low, span.high))
            ax.fill_between(times, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
            share = 100 * np.concatenate([[1.0], curve.survival])
            ax.plot(times, share, drawstyle="steps-post", color=colour, label=plain(name))
            said.append(
                f"{name or 'Customers'}: {curve.n:,.0f} at the start, {_reached(curve)}, "
                f"{share[-1]:.3g} % still there at {times[-1]:g}"
            )
        ax.set(xlabel=f"{unit} since the start", ylabel="still there, %", yticks=range(0, 101, 20), ylim=(0, 101))
        ax.set_xlim(0, max(float(curve.times[-1]) for curve in named.values()) or 1)
        amounts_on(ax.xaxis)
        if isinstance(curves, Mapping):
            key(ax)
        return describe(ax, f"Share of customers still there by {unit} since the start. {'; '.join(said)}.")


def _reached(curve: SurvivalCurve) -> str:
    half = np.flatnonzero(curve.survival <= 0.5)
    return f"half gone by {curve.times[half[0]]:g}" if half.size else "half never gone"
