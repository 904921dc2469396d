"""The movements of recurring revenue as a waterfall."""

from typing import TYPE_CHECKING

from retention_metrics.plots._style import (
    BLUE,
    GREY,
    LINE,
    VERMILION,
    amount,
    amounts_on,
    describe,
    expect,
    inches,
    sheet,
)
from retention_metrics.revenue import Waterfall
from retention_metrics.revenue._waterfall import lines_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def revenue_waterfall(book: Waterfall, *, money: str = "money", ax: "Axes | None" = None) -> "Axes":
    """Draw the recurring revenue from the start of a period to its end: each movement as a step up or down.

    Movements that did not happen are left out.

    Args:
        book: A :class:`~retention_metrics.revenue.Waterfall`.
        money: Unit of the amounts, for the label, such as ``"dollars a month"``.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes, with one bar a step.

    Raises:
        InvalidType: ``book`` is something else.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import revenue
        >>> month = revenue.waterfall(start=400, new=60, expansion=30, contraction=30, churn=10, end=450)
        >>> axes = revenue_waterfall(month, money="dollars a month", ax=Figure().subplots())
        >>> [float(bar.get_height()) for bar in axes.patches]
        [400.0, 60.0, 30.0, -30.0, -10.0, 450.0]

    References:
        ChartMogul, *Data Table and MRR Movements*.
    """
    expect(Waterfall, book=book)
    _, *lines, _ = lines_of(book)
    moves = [(name, -size if sign == "-" else size) for sign, name, size in lines if size]
    with sheet(ax, grid=None) as ax:
        names = ["start", *(name for name, _ in moves), "end"]
        tops, level = [book.start], book.start
        ax.bar(0, book.start, color=GREY, width=0.65)
        for place, (_, step) in enumerate(moves, start=1):
            ax.plot([place - 1.325, place + 0.325], [level, level], color=LINE, linewidth=0.7)
            ax.bar(place, step, bottom=level, color=VERMILION if step < 0 else BLUE, width=0.65)
            tops.append(max(level, level + step))
            level += step
        last = len(names) - 1
        ax.plot([last - 1.325, last + 0.325], [level, level], color=LINE, linewidth=0.7)
        ax.bar(last, book.end, color=GREY, width=0.65)
        sizes = [book.start, *(step for _, step in moves), book.end]
        small = inches(ax)[0] / len(names) < 0.55
        for place, (top, size) in enumerate(zip([*tops, book.end], sizes, strict=True)):
            ax.annotate(
                amount(size).replace("-", "−"),
                (place, top),
                (0, 2),
                textcoords="offset points",
                ha="center",
                weight="bold",
                fontsize=7 if small else 9,
            )
        ax.set(ylabel=f"recurring revenue, {money}", xlim=(-0.6, last + 0.6))
        ax.set_ylim(min(0.0, *tops), 1.12 * max(*tops, book.end) or 1.0)
        ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        amounts_on(ax.yaxis)
        told = ", ".join(f"{name} {amount(step)}" for name, step in moves) or "nothing moved"
        text = f"Waterfall of recurring revenue from {amount(book.start)} to {amount(book.end)}: {told}."
        return describe(ax, text)
