"""What a purchase model expected, beside what came."""

from typing import TYPE_CHECKING

from retention_metrics.errors import UndefinedMetric
from retention_metrics.plots._style import BLUE, INK, VERMILION, amounts_on, describe, expect, inches, key, sheet
from retention_metrics.predictive import Validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tracking_curve(validation: Validation, *, unit: str = "periods", ax: "Axes | None" = None) -> "Axes":
    """Draw the repeat purchases counted and expected as the customers age, before and in the holdout.

    Args:
        validation: A :class:`~retention_metrics.predictive.Validation` of a log, which has a tracking curve.
        unit: Unit of the times, for the label.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes; the holdout is shaded.

    Raises:
        InvalidType: ``validation`` is something else.
        UndefinedMetric: It has no tracking curve, which takes a log to count.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> import polars
        >>> from retention_metrics import logs, predictive
        >>> bought = {"who": ["a", "a", "b", "b"], "on": ["2026-01-05", "2026-03-09", "2026-01-12", "2026-02-02"]}
        >>> orders = polars.DataFrame(bought).with_columns(polars.col("on").str.to_date())
        >>> model = predictive.BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> found = logs.Transactions(orders, customer="who", time="on").validate(
        ...     model, split="2026-02-28", as_of="2026-03-31", unit="week")
        >>> axes = tracking_curve(found, unit="weeks", ax=Figure().subplots())
        >>> axes.get_xlabel()
        'weeks since the holdout began'

    References:
        Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, figure 2.
    """
    expect(Validation, validation=validation)
    curve = validation.tracking
    if curve is None:
        raise UndefinedMetric("tracking_curve", "it takes a log to count it; use validate of logs.Transactions")
    with sheet(ax) as ax:
        if curve.times[-1] > 0:
            ax.axvspan(0, float(curve.times[-1]), color="#F2F2F2", zorder=0, label="holdout")
        ax.plot(curve.times, curve.actual, color=INK, linewidth=1.4, label="what came")
        ax.plot(curve.times, curve.expected, color=BLUE, linestyle=(0, (5, 2)), label=validation.model)
        ax.set(xlabel=f"{unit} since the holdout began", ylabel="repeat purchases so far")
        ax.set_xlim(float(curve.times[0]), float(curve.times[-1]))
        ax.set_ylim(0, 1.05 * max(float(curve.actual.max()), float(curve.expected.max()), 1.0))
        amounts_on(ax.yaxis)
        key(ax)
        return describe(
            ax,
            f"Repeat purchases so far, by {unit} since the holdout began: at {curve.times[-1]:g}, "
            f"{curve.actual[-1]:,.0f} came and {validation.model} expects {curve.expected[-1]:,.0f}.",
        )


def calibration(validation: Validation, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the purchases per customer in the holdout by past purchases: what came, and two forecasts.

    The forecasts are that of the model, and the naive one that the past rate of purchases goes on.

    Args:
        validation: A :class:`~retention_metrics.predictive.Validation`.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes, with one place a row of ``by_past``.

    Raises:
        InvalidType: ``validation`` is something else.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import predictive
        >>> model = predictive.BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> found = predictive.validate(model, frequency=[0, 0, 3], recency=[0, 0, 30], T=[39, 30, 35],
        ...                             holdout=[0, 1, 2], horizon=39)
        >>> axes = calibration(found, ax=Figure().subplots())
        >>> [label.get_text().split()[0] for label in axes.get_xticklabels()]
        ['0', '3']

    References:
        Fader, Hardie & Lee (2005), *Marketing Science* 24(2), 275-284, figure 3.
    """
    expect(Validation, validation=validation)
    rows = validation.by_past
    places = range(len(rows))
    with sheet(ax) as ax:
        ax.plot(places, [row.naive for row in rows], "s-", color=VERMILION, markersize=5, label="naive")
        ax.plot(places, [row.expected for row in rows], "o-", color=BLUE, markersize=5, label=validation.model)
        actual = [row.actual for row in rows]
        ax.plot(places, actual, "D", color=INK, markersize=7, fillstyle="none", label="what came")
        ax.set(ylabel="purchases per customer in the holdout", xlim=(-0.5, len(rows) - 0.5))
        ax.set_ylim(0, 1.08 * max(max(row.naive, row.expected, row.actual) for row in rows) or 1.0)
        names = [f"{row.past}{'+' if row.more else ''}" for row in rows]
        counts = [f"({row.customers:,.0f})" for row in rows]
        roomy = inches(ax)[0] / len(rows) > 0.08 * max(map(len, counts))
        ax.set_xticks(places, [f"{name}\n{many}" for name, many in zip(names, counts, strict=True)] if roomy else names)
        ax.set_xlabel("repeat purchases before the holdout" + (" (customers)" if roomy else ""))
        key(ax)
        said = "; ".join(
            f"{row.past}{' or more' if row.more else ''}: came {row.actual:.2f}, "
            f"expected {row.expected:.2f}, naive {row.naive:.2f}"
            for row in rows
        )
        return describe(ax, f"Purchases per customer in the holdout by repeat purchases before it. {said}.")
