"""Cash against what is owed, what a reserve does to the gap, and what trouble does to it."""

from typing import TYPE_CHECKING

import numpy as np

from retention_metrics._checks import whole
from retention_metrics.cashflow import CashGapForecast, CashRun, PolicyTable, StressTest
from retention_metrics.errors import InvalidValue
from retention_metrics.plots._style import (
    BLUE,
    LINE,
    VERMILION,
    amount,
    amounts_on,
    describe,
    expect,
    fit_right,
    key,
    name_periods,
    rows_named,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def cash_and_debt(
    result: CashGapForecast | CashRun,
    *,
    level: float = 0.9,
    exponent: int = 2,
    money: str = "money",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw cash before anything is drawn against what is owed to customers, with the gap below zero filled.

    Of a forecast: medians and the band that holds a share ``level`` of the paths, period by period.

    Args:
        result: A :class:`~retention_metrics.cashflow.CashGapForecast`, or a
            :class:`~retention_metrics.cashflow.CashRun` of one path.
        level: Share of the paths within the bands of a forecast, between 0 and 1.
        exponent: Decimal places of the currency: amounts in minor units are divided by 10 to its power.
        money: Name of the currency, for the label.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        InvalidType: ``result`` is something else.
        InvalidValue: A run of several paths, or an argument out of range.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import cashflow
        >>> flows = cashflow.Flows(
        ...     collections=[300_000, 0, 0], delivery_cost=[0, 90_000, 90_000], liability=[300_000, 150_000, 0]
        ... )
        >>> run = cashflow.run_policy(flows, cashflow.FirmPolicy.spend_collections())
        >>> axes = cash_and_debt(run, ax=Figure().subplots())
        >>> axes.lines[-1].get_ydata()
        array([ 3000.,  -900., -1800.])

    References:
        IAS 7, 18, the direct method; IFRS 15, 106, on the contract liability.
    """
    expect((CashGapForecast, CashRun), result=result)
    unit = 10.0 ** whole(0, exponent=exponent)
    if isinstance(result, CashRun):
        if result.low.ndim > 1:
            raise InvalidValue(
                f"result must be a run of one path to be drawn, got {result.low.shape[1]:,} paths; draw the forecast"
            )
        names, bands = result.flows.names, None
        lines = {"owed": result.flows.liability / unit, "low": result.low / unit}
    else:
        bands = result.bands(level)
        names = [str(period) for period in range(result.periods)]
        lines = {"owed": bands.median["liability"] / unit, "low": bands.median["low"] / unit}
    with sheet(ax) as ax:
        at = np.arange(len(names))
        ax.axhline(0, color=LINE, linewidth=0.8)
        lowest = lines["low"]
        if bands is not None:
            for name, colour in (("liability", VERMILION), ("low", BLUE)):
                low, high = bands.low[name] / unit, bands.high[name] / unit
                said = f"{100 * level:g} % of the paths" if name == "low" else ""
                ax.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0, label=said)
            lowest = bands.low["low"] / unit
        gap = np.minimum(lowest, 0.0)
        if (gap < 0).any():
            of = "gap" if bands is None else "gap within the band"
            ax.fill_between(
                at,
                gap,
                0,
                interpolate=True,
                facecolor=VERMILION,
                alpha=0.35,
                hatch="////",
                edgecolor=VERMILION,
                linewidth=0,
                label=of,
            )
        ax.plot(at, lines["owed"], color=VERMILION, linestyle=(0, (5, 2)), label="owed to customers")
        ax.plot(at, lines["low"], color=BLUE, label="cash before the draw")
        ax.set(xlim=(0, max(len(names) - 1, 1)), ylabel=f"end of the period, {money}")
        ax.set_xlabel("period" if bands is not None or result.flows.labels is None else "")  # type: ignore[union-attr]
        name_periods(ax, names)
        amounts_on(ax.yaxis)
        key(ax)
        return describe(ax, _cash_in_words(result, names, lines["low"], lines["owed"]))


def reserve_curve(table: PolicyTable, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how likely a cash gap is under each reserve ratio, with its interval.

    Args:
        table: A :class:`~retention_metrics.cashflow.PolicyTable`.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes, with the ratios in ascending order.

    Raises:
        InvalidType: ``table`` is something else.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import cashflow
        >>> flows = cashflow.Flows(collections=[[3000, 3000], [0, 0]], delivery_cost=[[0, 0], [900, 1500]],
        ...                        liability=[[3000, 3000], [0, 0]])
        >>> table = cashflow.policy_table(flows, cashflow.FirmPolicy(), [0, 0.4, 1])
        >>> reserve_curve(table, ax=Figure().subplots()).lines[0].get_ydata()
        array([100.,  50.,   0.])

    References:
        Wilson (1927), *JASA* 22, 209-212, for the interval.
    """
    expect(PolicyTable, table=table)
    order = np.argsort(table.ratios, kind="stable")
    ratios, gaps = 100 * table.ratios[order], 100 * table.gap_probability[order]
    with sheet(ax) as ax:
        ax.plot(ratios, gaps, "o-", color=BLUE, markersize=4, label="paths with a gap")
        if table.paths > 1:
            low, high = 100 * table.low[order], 100 * table.high[order]
            ax.fill_between(
                ratios, low, high, color=BLUE, alpha=0.2, linewidth=0, label=f"{100 * table.level:g} % interval"
            )
        ax.set(xlabel="reserve ratio, % of the basis", ylabel="probability of a cash gap, %")
        ax.set(ylim=(0, 102), yticks=range(0, 101, 20))
        key(ax)
        said = ", ".join(f"{gap:.3g} % at a ratio of {ratio:.4g} %" for ratio, gap in zip(ratios, gaps, strict=True))
        return describe(ax, f"Probability of a cash gap on {table.paths:,} paths by reserve ratio: {said}.")


def stress_depths(test: StressTest, *, exponent: int = 2, money: str = "money", ax: "Axes | None" = None) -> "Axes":
    """Draw how deep the gap gets in each scenario of a stress test, under both policies.

    Bars are the depth that 95 % of the paths do not exceed; beside them stands the probability of a gap.

    Args:
        test: A :class:`~retention_metrics.cashflow.StressTest`.
        exponent: Decimal places of the currency: amounts in minor units are divided by 10 to its power.
        money: Name of the currency, for the label.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes, with one pair of bars a scenario.

    Raises:
        InvalidType: ``test`` is something else.
        InvalidValue: The exponent is not a whole number >= 0.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import cashflow, prepaid, redemption
        >>> test = cashflow.stress(
        ...     model=redemption.RedemptionModel.geometric(0.4),
        ...     sales=cashflow.SalesPath(20),
        ...     plan=prepaid.PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700),
        ...     policy=cashflow.FirmPolicy(),
        ...     periods=12,
        ...     paths=50,
        ...     rng=1,
        ... )
        >>> axes = stress_depths(test, ax=Figure().subplots())
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['as planned', 'dip in sales', 'wave of returns', 'run on refunds']

    References:
        Committee of European Banking Supervisors (2010), *Guidelines on Stress Testing* (GL32), on scenarios of
        liquidity.
    """
    expect(StressTest, test=test)
    unit = 10.0 ** whole(0, exponent=exponent)
    scenarios = list(dict.fromkeys(row.scenario for row in test.rows))
    policies = list(dict.fromkeys(row.policy for row in test.rows))
    with sheet(ax, height=1.0 + 0.55 * len(scenarios), grid="x") as ax:
        rows_named(ax, scenarios)
        texts, said = [], []
        for number, policy in enumerate(policies):
            shift, colour = 0.4 * (number - 0.5), (VERMILION, BLUE)[number % 2]
            rows = [row for row in test.rows if row.policy == policy]
            depths = [0.0 if row.depth_95 is None else row.depth_95 / unit for row in rows]
            places = np.array([scenarios.index(row.scenario) for row in rows]) + shift
            ax.barh(places, depths, height=0.36, color=colour, label=policy.replace("_", " "))
            for row, deep, y in zip(rows, depths, places.tolist(), strict=True):
                words = "cannot happen" if row.gap is None else f"{amount(deep)}, gap in {100 * row.gap.value:.3g} %"
                texts.append(ax.annotate(words, (deep, y), (3, 0), textcoords="offset points", va="center", fontsize=8))
                said.append(f"{row.scenario} under {policy.replace('_', ' ')} {words}")
        ax.set_xlabel(f"depth not exceeded on 95 % of the paths, {money}")
        ax.set_xlim(0, max(ax.get_xlim()[1], 1e-9))
        amounts_on(ax.xaxis)
        fit_right(ax, texts)
        key(ax)
        return describe(ax, f"Depth of the cash gap that 95 % of the paths do not exceed: {'; '.join(said)}.")


def _cash_in_words(result: CashGapForecast | CashRun, names: list[str], low: "np.ndarray", owed: "np.ndarray") -> str:
    deepest = int(np.argmin(low))
    what = "" if isinstance(result, CashRun) else "median "
    said = (
        f"Cash before the draw against what is owed to customers, {len(names)} periods: {what}cash is lowest in period "
        f"{names[deepest]} with {amount(float(low[deepest]))}, and {amount(float(low[-1]))} at the end, when {what}"
        f"{amount(float(owed[-1]))} is owed."
    )
    if isinstance(result, CashRun):
        return f"{said} Periods with a gap: {int(result.gap.sum())}."
    return f"{said} {100 * result.gap_probability().value:.3g} % of {result.paths:,} paths have a gap."
