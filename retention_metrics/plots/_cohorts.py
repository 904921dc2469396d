"""The cohort table as a heat map, and its shares by age as a curve."""

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from retention_metrics._frames import require
from retention_metrics._stats import wilson
from retention_metrics.cohorts import CohortTable
from retention_metrics.errors import UndefinedMetric
from retention_metrics.plots._style import BLUE, GREY, INK, PALE, describe, expect, inches, key, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOBODY = "#F5D3BF"
_WIDEST_CELL = 0.27
_ROW = 0.16


def cohort_heatmap(table: CohortTable, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a cohort table: one row a cohort, one cell an age, the darker the more of the cohort were counted.

    The three states of a cell can be told apart. Observed: a colour, pale orange where nobody came. Partial, its
    period still running: a dashed frame. Unobserved: nothing at all. Figures are percent of the cohort; where cells are
    too narrow for them a colour bar takes their place. The scale ends at the largest share after age 0.

    Args:
        table: A :class:`~retention_metrics.cohorts.CohortTable`.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes. The first collection in it holds the shares in percent, masked where unobserved.

    Raises:
        InvalidType: ``table`` is something else.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import cohorts
        >>> table = cohorts.from_counts([[40, 20, 0], [50, 30], [60]], start="2026-01-01")
        >>> axes = cohort_heatmap(table, ax=Figure().subplots())
        >>> axes.get_xlabel()
        'age in months (cells: % of the cohort)'

    References:
        Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90, for following cohorts by age.
    """
    expect(CohortTable, table=table)
    rows, ages = table.retained.shape
    with sheet(ax, height=min(1.1 + 0.24 * rows, 12.0), grid=None) as ax:
        percent = np.ma.masked_invalid(100 * table.rates())
        later = percent[:, 1:] if table.ages[0] == "0" else percent
        top = float(later.max()) if later.count() and later.max() > 0 else 100.0
        matplotlib = require("matplotlib", "plot")
        # The lightest blues could be taken for blank.
        blues = matplotlib.colormaps["Blues"](np.linspace(0.12, 1, 256))
        colours = matplotlib.colors.ListedColormap(blues).with_extremes(under=_NOBODY)
        mesh = ax.pcolormesh(
            np.arange(ages + 1) - 0.5,
            np.arange(rows + 1) - 0.5,
            percent,
            cmap=colours,
            vmin=1e-9,
            vmax=top,
            edgecolors="white",
            linewidth=min(1.0, 4 * inches(ax)[0] / ages),
        )
        ax.set_ylim(rows - 0.5, -0.5)
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        wide, high = (size / count for size, count in zip(inches(ax), (ages, rows + 1), strict=True))
        told = wide >= _WIDEST_CELL and high >= _ROW
        cells = ": % of the cohort" if told else ""
        ax.set(xlabel=f"age in {_unit(table)}" + (f" (cells{cells})" if told else ""), ylabel="cohort (customers)")
        step = ceil((0.08 * max(map(len, table.ages)) + 0.05) / (wide if told else 0.75 * wide))
        ax.set_xticks(range(0, ages, step), table.ages[::step])
        step = ceil(_ROW / high)
        names = [f"{name} ({size:,})" for name, size in zip(table.labels, table.sizes.tolist(), strict=True)]
        ax.set_yticks(range(0, rows, step), names[::step])
        _frame_partial(ax, table)
        if told:
            _write_cells(ax, percent, top, 8.0 if wide >= 0.36 and high >= 0.2 else 6.5)
        else:
            bar = ax.get_figure().colorbar(mesh, ax=ax, extend="max" if percent.max() > top else "neither")  # type: ignore[union-attr]
            bar.set_label("customers counted, %", size=9, color=INK)
            bar.ax.tick_params(labelsize=9, color=INK, labelcolor=INK)
            bar.outline.set_visible(False)
        _key_of_states(ax, table, percent)
        return describe(ax, _heatmap_in_words(table))


def retention_curve(table: CohortTable, *, level: float = 0.95, ax: "Axes | None" = None) -> "Axes":
    """Draw the share of customers counted at each age, all cohorts together and each of them.

    All together are a line with a band, single cohorts are grey. Only observed cells count. The band is the Wilson
    interval of the pooled share, which takes customers as independent.

    Args:
        table: A :class:`~retention_metrics.cohorts.CohortTable`.
        level: Confidence level of the band, between 0 and 1.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        InvalidType: ``table`` is something else.
        InvalidValue: The level is not between 0 and 1.
        UndefinedMetric: No age after the first one has been observed.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import cohorts
        >>> table = cohorts.from_counts([[40, 20, 10], [50, 30], [60]], start="2026-01-01")
        >>> axes = retention_curve(table, ax=Figure().subplots())
        >>> axes.lines[-1].get_ydata().round(1)
        array([55.6, 25. ])

    References:
        Wilson (1927), *Journal of the American Statistical Association* 22, 209-212, for the band.
    """
    expect(CohortTable, table=table)
    counted = table.observed & (table.sizes[:, None] > 0)
    first = 1 if table.ages[0] == "0" else 0
    known = np.flatnonzero(counted.any(axis=0))
    known = known[known >= first]
    if not known.size:
        raise UndefinedMetric("retention_curve", "no cohort has an observed age after the first")
    came = np.where(counted, table.retained, 0).sum(axis=0)[known]
    low, high = wilson(came, np.where(counted, table.sizes[:, None], 0).sum(axis=0)[known], level)
    pooled = 100 * table.average()[known]
    with sheet(ax) as ax:
        for i, row in enumerate(np.where(counted, 100 * table.rates(), np.nan)):
            ax.plot(known, row[known], color=PALE, linewidth=1, label="" if i else "single cohorts")
        ax.fill_between(
            known, 100 * low, 100 * high, color=BLUE, alpha=0.2, linewidth=0, label=f"{100 * level:g} % interval"
        )
        ax.plot(known, pooled, color=BLUE, marker="o", markersize=4, label="all cohorts")
        ax.set(xlabel=f"age in {_unit(table)}", ylabel="customers counted, %")
        each = inches(ax)[0] / (known[-1] - known[0] + 1)
        step = ceil((0.08 * max(map(len, table.ages)) + 0.1) / each)
        ax.set_xticks(known[::step], [table.ages[age] for age in known[::step]])
        ax.set_ylim(0, 1.05 * max(float(np.nanmax(100 * table.rates()[:, known])), float(100 * high.max())))
        key(ax)
        at = ", ".join(f"{share:.3g} % at age {table.ages[age]}" for age, share in _ends(known, pooled))
        return describe(ax, f"Customers counted by age in {_unit(table)}, {len(table.sizes)} cohorts pooled: {at}.")


def _unit(table: CohortTable) -> str:
    return f"{table.period}s" if table.window is None else f"windows of {table.window}"


def _frame_partial(ax: "Axes", table: CohortTable) -> None:
    patches = require("matplotlib.patches", "plot")
    for row, age in np.argwhere(table.states == "partial"):
        frame = patches.Rectangle((age - 0.44, row - 0.42), 0.88, 0.84, **_DASHED)
        ax.add_patch(frame)


_DASHED: dict[str, Any] = {"fill": False, "linestyle": (0, (2, 1.5)), "edgecolor": INK, "linewidth": 0.9}


def _write_cells(ax: "Axes", percent: Any, top: float, size: float) -> None:
    for row, age in np.argwhere(~np.ma.getmaskarray(percent)):
        share = float(percent[row, age])
        text = "<1" if 0 < share < 0.5 else f"{share:.0f}"
        ax.text(age, row, text, ha="center", va="center", fontsize=size, color="white" if share > 0.55 * top else INK)


def _key_of_states(ax: "Axes", table: CohortTable, percent: Any) -> None:
    patches = require("matplotlib.patches", "plot")
    handles = []
    if (percent == 0).any():
        handles.append(patches.Patch(facecolor=_NOBODY, label="nobody came"))
    if (table.states == "partial").any():
        handles.append(patches.Patch(**_DASHED, label="period still running"))
    if (table.states == "unobserved").any():
        handles.append(patches.Patch(facecolor="white", edgecolor=PALE, linewidth=0.6, label="blank: lies ahead"))
    if handles:
        key(ax, below=True, handles=handles, labelcolor=GREY)


def _heatmap_in_words(table: CohortTable) -> str:
    states = {state: int((table.states == state).sum()) for state in ("observed", "partial", "unobserved")}
    pooled = table.average()
    known = np.flatnonzero(~np.isnan(pooled))
    at = ", ".join(f"{100 * share:.3g} % at age {table.ages[age]}" for age, share in _ends(known, pooled[known]))
    zeros = int(((table.retained == 0) & table.observed).sum())
    return (
        f"Cohort table of {len(table.labels)} cohorts from {table.labels[0]} to {table.labels[-1]} by age in "
        f"{_unit(table)}. All cohorts together: {at or 'nothing observed yet'}. {states['observed']} cells observed, "
        f"{zeros} of them with nobody; {states['partial']} still running, {states['unobserved']} ahead."
    )


def _ends(places: Any, values: Any) -> list[tuple[int, float]]:
    """The first, the second, the middle and the last point of a line."""
    some = sorted({0, min(1, len(places) - 1), len(places) // 2, len(places) - 1}) if len(places) else []
    return [(int(places[i]), float(values[i])) for i in some]
