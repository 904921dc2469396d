"""What customers bring for what they cost, by channel."""

from typing import TYPE_CHECKING

from retention_metrics.errors import UndefinedMetric
from retention_metrics.ltv import Channels
from retention_metrics.plots._style import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    describe,
    expect,
    fit_right,
    rows_named,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 1}
_COLOURS = {"pays": BLUE, "loses": VERMILION, "unsure": GREY, "value unknown": GREY}


def channel_returns(found: Channels, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the ratio of lifetime value to acquisition cost of each channel, with its interval.

    The interval is that of the cost: how far the number of customers leaves it open; lifetime values are taken as
    given. Left of the line at 1 a channel costs more than it brings. Blue pays, vermilion loses, and of grey it cannot
    be told. Where nobody came, the ratio is at most at the arrow.

    Args:
        found: A :class:`~retention_metrics.ltv.Channels` table.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes, with one row a channel in the order of the table.

    Raises:
        InvalidType: ``found`` is something else.
        UndefinedMetric: No channel has a lifetime value.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import ltv
        >>> table = {"channel": ["search", "coupons"], "spend": [2800, 1500], "customers": [100, 100], "ltv": [56, 12]}
        >>> axes = channel_returns(ltv.channels(table), ax=Figure().subplots())
        >>> [text.get_text() for text in axes.texts]
        ['2.00 pays', '0.80 loses']

    References:
        Skok (2009), *Startup Killer: the Cost of Customer Acquisition*, for LTV:CAC; Garwood (1936), *Biometrika* 28,
        437-442, for the interval of the cost.
    """
    expect(Channels, found=found)
    if all(row.ltv is None for row in found.rows):
        raise UndefinedMetric("LTV:CAC", "no channel has a lifetime value; pass ltv, or margin and churn, to channels")
    with sheet(ax, height=0.9 + 0.4 * len(found.rows), grid="x") as ax:
        rows_named(ax, [row.channel for row in found.rows])
        ax.axvline(1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        texts, said = [], []
        for y, row in enumerate(found.rows):
            ratio, colour = row.ltv_to_cac, _COLOURS[row.verdict]
            end, words = 0.0, "lifetime value unknown" if row.ltv is None else "nothing spent, nobody came"
            if ratio is not None and row.ltv is not None and row.interval is not None:
                low, end = row.ltv / row.interval.high, row.ltv / row.interval.low
                ax.hlines(y, low, end, color=colour, linewidth=2, alpha=0.45)
                ax.plot(ratio, y, "o", color=colour, markersize=6)
                words = f"{ratio:.2f} {row.verdict}"
                said.append(f"{row.channel} {ratio:.2f} ({low:.2f} to {end:.2f}), {row.verdict}")
            elif row.ltv is not None and row.cac == 0:
                words = "costs nothing"
            elif row.ltv is not None and row.at_least is not None:
                end = row.ltv / row.at_least
                ax.hlines(y, 0, end, color=colour, linewidth=2, alpha=0.45)
                ax.plot(end, y, "<", color=colour, markersize=6)
                words = f"at most {end:.2f}: nobody came"
            if len(said) == y:
                said.append(f"{row.channel}: {words}")
            texts.append(
                ax.annotate(words, (end, y), (5, 0), textcoords="offset points", va="center", color=colour, bbox=_CLEAR)
            )
        ax.set_xlabel("lifetime value / acquisition cost (dashed: 1, brings what it costs)")
        ax.set_xlim(0, max(1.05, ax.get_xlim()[1]))
        fit_right(ax, texts)
        return describe(
            ax, f"Lifetime value over acquisition cost by channel, {found.level:g} level: {'; '.join(said)}."
        )
