"""What all pictures share: colours, the sheet they are drawn on, and labels that fit it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any, Literal

from retention_metrics._frames import require
from retention_metrics.errors import InvalidType

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#737373", "#222222"
PALE, LINE = "#C4C4C4", "#888888"
COLOURS = (BLUE, VERMILION, "#56B4E9", "#E69F00", "#009E73", "#CC79A7")
"""Okabe & Ito (2008), *Color Universal Design*."""

STYLE: dict[str, Any] = {
    "axes.prop_cycle": f"cycler('color', {[colour[1:] for colour in COLOURS]})",
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.8,
}
PAGE = 7.4
"""Width of a page in inches."""

_DIGIT, _LETTER = 0.075, 0.08
"""Widths at 9 points, in inches."""
_STEPS = (1, 2, 3, 4, 6, 12)
_SPARE = 1.12
_LONGEST = 24


@contextmanager
def sheet(ax: "Axes | None", *, height: float = 3.3, grid: Literal["x", "y"] | None = "y") -> "Iterator[Axes]":
    """Axes to draw on in the style of the house, new ones of the width of a page unless some are given."""
    matplotlib = require("matplotlib", "plot")
    with matplotlib.rc_context(STYLE):
        if ax is None:
            ax = import_module("matplotlib.pyplot").subplots(figsize=(PAGE, height))[1]
        # Given axes were made in another style, and ticks are made when they are drawn, out of this one.
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(LINE)
        ax.tick_params(labelsize=9, color=INK, labelcolor=INK)
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set(size=9, color=INK)
        ax.set_axisbelow(True)
        if grid is not None:
            ax.grid(axis=grid, color="#E6E6E6")
        yield ax
        for axis, length in zip((ax.xaxis, ax.yaxis), inches(ax), strict=True):
            axis.set_label_text(_balanced(axis.get_label_text().replace("$", r"\$"), max(int(length / _LETTER), 12)))


def _balanced(text: str, width: int) -> str:
    """Lines of about equal length, none above ``width``, and no more of them than that takes."""
    fewest = len(wrap(text, width, break_long_words=False))
    tried = range(max(len(text) // max(fewest, 1), 1), width)
    return fill(
        text,
        next((each for each in tried if len(wrap(text, each, break_long_words=False)) <= fewest), width),
        break_long_words=False,
    )


def alt_text(picture: "Axes | Figure") -> str:
    """What a picture of this module shows, in words and numbers, for readers who cannot see it.

    Pass it on with the picture: as ``alt`` of an image in HTML, or in the file itself with
    ``figure.savefig(path, metadata={"Description": alt_text(figure)})``, for PNG and SVG.

    Args:
        picture: The axes that a function of this module returned, or a figure with some of them.

    Returns:
        A few sentences; those of a figure are the sentences of its axes.

    Raises:
        InvalidType: Nothing in it was drawn by this module.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import plots, revenue
        >>> month = revenue.waterfall(start=400, new=60, expansion=30, contraction=30, churn=10, end=450)
        >>> plots.alt_text(plots.revenue_waterfall(month, ax=Figure().subplots()))
        'Waterfall of recurring revenue from 400 to 450: new 60, expansion 30, contraction -30, churn -10.'

    References:
        W3C (2023), *Web Content Accessibility Guidelines 2.2*, success criterion 1.1.1, text alternatives.
    """
    drawn = [picture, *getattr(picture, "axes", [])] if hasattr(picture, "savefig") else [picture]
    texts = [text for text in (getattr(each, "_alt_text", None) for each in drawn) if text]
    if not texts:
        raise InvalidType(f"picture must be axes that retention_metrics.plots drew, got {type(picture).__name__}")
    return " ".join(texts)


def describe(ax: "Axes", text: str) -> "Axes":
    """Keep the words for a picture with its axes, which are handed back."""
    ax._alt_text = text  # type: ignore[attr-defined]
    return ax


def expect(kind: type | tuple[type, ...], **argument: object) -> None:
    """Refuse to draw anything else than the result that a picture is made for."""
    for name, value in argument.items():
        if not isinstance(value, kind):
            kinds = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
            raise InvalidType(f"{name} must be a {kinds}, got {type(value).__name__}")


def inches(ax: "Axes") -> tuple[float, float]:
    """Width and height of the axes."""
    box, dpi = ax.get_window_extent(), ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return float(box.width / dpi), float(box.height / dpi)


def key(ax: "Axes", *, below: bool = False, **options: Any) -> None:
    """The legend above the data (or below it), in as many columns as fit, with room made for it."""
    handles = options.pop("handles", None) or ax.get_legend_handles_labels()[0]
    if not handles:
        return
    frame = ax.get_window_extent()
    for columns in range(len(handles), 0, -1):
        legend = ax.legend(
            handles=handles,
            loc="lower left" if below else "upper left",
            ncols=columns,
            frameon=False,
            borderaxespad=0.0,
            borderpad=0.2,
            columnspacing=1.4,
            handlelength=1.6,
            **options,
        )
        box = legend.get_window_extent()
        if box.width <= frame.width:
            break
    share = min(_SPARE * box.height / frame.height, 0.6)
    start, end = ax.get_ylim()
    if below:
        ax.set_ylim(end - (end - start) / (1 - share), end)
    else:
        ax.set_ylim(start, start + (end - start) / (1 - share))


def fit_right(ax: "Axes", texts: Sequence[Any]) -> None:
    """Move the right end of the axis so far out that texts beside the data have room."""
    # Long names of rows take width away from the axes, but only when the figure is laid out; texts that do not fit yet
    # must not.
    for text in texts:
        text.set_in_layout(False)
    ax.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]
    frame = ax.get_window_extent().width
    low, high = ax.get_xlim()
    for text in texts:
        wide = min(text.get_window_extent().width * _SPARE + 10, 0.7 * frame)
        high = max(high, low + (text.xy[0] - low) * frame / (frame - wide))
    ax.set_xlim(low, high)


def name_periods(ax: "Axes", names: Sequence[str]) -> int:
    """Name the places 0, 1, 2 ... of the horizontal axis, or every second, third ... one; returns that step."""
    widest = max(len(line) for name in names for line in name.split("\n"))
    fitting = max(int(inches(ax)[0] / (_DIGIT * widest + 0.12)), 1)
    least = -(-len(names) // fitting)
    step = next((each for each in _STEPS if each >= least), -(-least // 12) * 12)
    ax.set_xticks(range(0, len(names), step), list(names[::step]))
    return step


def plain(name: object) -> str:
    """A name from the data as it is, for matplotlib, which reads formulas between dollar signs and hides ``_names``."""
    text = " ".join(str(name).split())
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return f"{' ' if short.startswith('_') else ''}{short}".replace("$", r"\$")


def rows_named(ax: "Axes", names: Sequence[str]) -> None:
    """One row a name, the first on top, with grid lines along the values only."""
    ax.set_yticks(range(len(names)), [plain(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def amount(value: float, *, like: float | None = None) -> str:
    """A figure in short: ``1.25 M``, ``320 k``, ``-50``; in the unit that suits ``like`` it, if that is given."""
    suits = abs(value if like is None else like)
    for least, size, suffix in ((1e9, 1e9, " bn"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if suits >= least and value:
            return f"{value / size:,.4g}{suffix}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.3g}"


def amounts_on(axis: Any) -> None:
    """Write the figures of an axis of money or customers in short, all in one unit."""

    def text(value: float, _position: object) -> str:
        return amount(value, like=max(map(abs, axis.get_view_interval()))).replace("-", "−")

    axis.set_major_formatter(text)
