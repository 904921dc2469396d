"""The customer base as it grows, and when its margin has paid for the spend."""

from typing import TYPE_CHECKING

import numpy as np

from retention_metrics.errors import UndefinedMetric
from retention_metrics.growth import Projection, Simulation
from retention_metrics.plots._style import (
    BLUE,
    LINE,
    VERMILION,
    amount,
    amounts_on,
    describe,
    expect,
    key,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from retention_metrics._stats import Intervals


def customer_base(result: Projection | Simulation, *, unit: str = "period", ax: "Axes | None" = None) -> "Axes":
    """Draw the active customers at the end of each period, with the band of chance of a simulation.

    Args:
        result: A :class:`~retention_metrics.growth.Projection` or :class:`~retention_metrics.growth.Simulation`.
        unit: What a period is, for the label.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes. The line starts at period 0 with the customers at the start.

    Raises:
        InvalidType: ``result`` is something else.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import growth
        >>> plan = growth.project(acquired=20, retention=0.9, periods=3, start=100)
        >>> customer_base(plan, unit="month", ax=Figure().subplots()).lines[0].get_ydata()
        array([100. , 110. , 119. , 127.1])

    References:
        Kumar & Reinartz (2018), *Customer Relationship Management*, 3rd ed., on acquisition and retention together.
    """
    expect((Projection, Simulation), result=result)
    plan = result if isinstance(result, Projection) else result.expected
    band = None if isinstance(result, Projection) else result.active_band
    with sheet(ax) as ax:
        _line_with_band(ax, np.concatenate([[plan.start], plan.active]), plan.start, band)
        ax.set(xlabel=unit, ylabel="active customers", ylim=(0, 1.05 * ax.get_ylim()[1]))
        amounts_on(ax.yaxis)
        if band is not None:
            key(ax)
        said = f"Active customers by {unit}: {plan.start:,.0f} at the start, {plan.active[-1]:,.0f} "
        said += f"at the end of {unit} {plan.active.size}"
        return describe(ax, said + _span(band) + ".")


def break_even(
    result: Projection | Simulation, *, unit: str = "period", money: str = "money", ax: "Axes | None" = None
) -> "Axes":
    """Draw the margin less the spend so far, with the period in which it has paid for itself.

    Args:
        result: A :class:`~retention_metrics.growth.Projection` or :class:`~retention_metrics.growth.Simulation` with a
            margin.
        unit: What a period is, for the label.
        money: Unit of the money, for the label.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes. A diamond marks the break-even, if there is one.

    Raises:
        InvalidType: ``result`` is something else.
        UndefinedMetric: It was projected without a margin.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import growth
        >>> plan = growth.project(acquired=10, retention=0.9, periods=12, margin=5, spend=150)
        >>> axes = break_even(plan, unit="month", money="dollars", ax=Figure().subplots())
        >>> axes.get_ylabel()
        'margin less spend so far, dollars'

    References:
        Blattberg & Deighton (1996), *Harvard Business Review* 74(4), 136-144, on spend for acquisition and retention.
    """
    expect((Projection, Simulation), result=result)
    plan = result if isinstance(result, Projection) else result.expected
    band = None if isinstance(result, Projection) else result.cumulative_band
    if plan.cumulative is None:
        raise UndefinedMetric("break_even", "it was projected without a margin; pass margin to project")
    with sheet(ax) as ax:
        ax.axhline(0, color=LINE, linewidth=0.8)
        _line_with_band(ax, np.concatenate([[0.0], plan.cumulative]), 0.0, band)
        said = f"Margin less spend so far by {unit}, {amount(plan.cumulative[-1])} at the end of {unit} "
        said += f"{plan.cumulative.size}{_span(band)}. "
        if plan.break_even is not None:
            at = plan.cumulative[plan.break_even - 1]
            ax.plot(
                plan.break_even, at, "D", color=VERMILION, markersize=7, label=f"break-even: {unit} {plan.break_even}"
            )
            said += f"Break-even in {unit} {plan.break_even}."
        else:
            said += f"No break-even: {plan.reason or 'nothing was spent'}."
        discounted = ", discounted" if plan.discount else ""
        ax.set(xlabel=unit, ylabel=f"margin less spend so far{discounted}, {money}")
        amounts_on(ax.yaxis)
        key(ax)
        return describe(ax, said)


def _line_with_band(ax: "Axes", values: "np.ndarray", start: float, band: "Intervals | None") -> None:
    places = np.arange(values.size)
    if band is not None:
        low, high = (np.concatenate([[start], limit]) for limit in (band.low, band.high))
        ax.fill_between(
            places, low, high, color=BLUE, alpha=0.15, linewidth=0, label=f"{100 * band.level:g} % of the paths"
        )
    ax.plot(places, values, color=BLUE, label="expected")
    ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    ax.set_xlim(0, values.size - 1)


def _span(band: "Intervals | None") -> str:
    if band is None:
        return ""
    return f" ({100 * band.level:g} % of the paths between {amount(band.low[-1])} and {amount(band.high[-1])})"
