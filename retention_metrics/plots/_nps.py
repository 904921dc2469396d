"""The Net Promoter Score with its intervals: over time, and by segment."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from retention_metrics._periods import label
from retention_metrics.errors import InvalidValue
from retention_metrics.nps import NpsScore, NpsSegments, NpsTrend
from retention_metrics.plots._style import (
    BLUE,
    GREY,
    LINE,
    describe,
    expect,
    fit_right,
    inches,
    key,
    name_periods,
    rows_named,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = "Net Promoter Score, points"


def nps_trend(trend: NpsTrend, *, level: float = 0.95, ax: "Axes | None" = None) -> "Axes":
    """Draw the Net Promoter Score of each period with its interval.

    A period that is still running has a hollow mark, a period without answers none.

    Args:
        trend: An :class:`~retention_metrics.nps.NpsTrend`, as :meth:`~retention_metrics.logs.Responses.trend` makes.
        level: Confidence level of the score intervals, between 0 and 1.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        InvalidType: ``trend`` is something else.
        InvalidValue: The level is not between 0 and 1, or nobody answered in any period.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> import polars
        >>> from retention_metrics import logs, plots
        >>> answers = polars.DataFrame({"who": ["a", "b", "c"], "on": ["2026-01-05", "2026-01-09", "2026-02-01"],
        ...                             "score": [10, 3, 9]}).with_columns(polars.col("on").str.to_date())
        >>> survey = logs.Responses(answers, customer="who", time="on", score="score")
        >>> axes = nps_trend(survey.trend(as_of="2026-02-28", period="month"), ax=Figure().subplots())
        >>> axes.get_ylabel()
        'Net Promoter Score, points'

    References:
        Reichheld (2003), *Harvard Business Review* 81(12), 46-54.
    """
    expect(NpsTrend, trend=trend)
    scored = [(place, step, step.score) for place, step in enumerate(trend.steps) if step.score is not None]
    if not scored:
        raise InvalidValue("trend must have an answer in at least one period")
    names = [label(step.period, trend.period) for step in trend.steps]
    with sheet(ax) as ax:
        spans = [score.interval(level) for *_, score in scored]
        places = [place for place, *_ in scored]
        ax.vlines(
            places,
            [span.low for span in spans],
            [span.high for span in spans],
            color=BLUE,
            linewidth=2,
            alpha=0.45,
            label=f"{100 * level:g} % interval",
        )
        ax.plot(places, [score.value for *_, score in scored], "o", color=BLUE, markersize=6, label="score")
        running = [(place, score.value) for place, step, score in scored if not step.complete]
        if running:
            ax.plot(*zip(*running, strict=True), "o", color=BLUE, markerfacecolor="white", label="period still running")
        ax.set(xlim=(-0.6, len(names) - 0.4), ylabel=_POINTS)
        counted = [
            f"{name}\nn = {step.score.n if step.score else 0}" for name, step in zip(names, trend.steps, strict=True)
        ]
        if name_periods(ax, counted) == 1 and inches(ax)[0] / len(names) > 0.55:
            for place, _, score in scored:
                ax.text(place + 0.1, score.value, f"{score.value:.0f}", color=BLUE, va="center", weight="bold")
        if ax.get_ylim()[0] < 0 < ax.get_ylim()[1]:
            ax.axhline(0, color=LINE, linewidth=0.8)
        key(ax)
        said = ", ".join(
            f"{names[place]} {score.value:.0f} ({span.low:.0f} to {span.high:.0f}, n = {score.n})"
            for (place, _, score), span in zip(scored, spans, strict=True)
        )
        return describe(ax, f"Net Promoter Score by {trend.period} with {100 * level:g} % intervals: {said}.")


def nps_segments(
    segments: Mapping[str, NpsScore] | NpsSegments, *, level: float = 0.95, ax: "Axes | None" = None
) -> "Axes":
    """Draw the Net Promoter Score of each segment with its interval, one row a segment.

    Args:
        segments: Scores by name, as :meth:`NpsTable.segments` gives, or an :class:`~retention_metrics.nps.NpsSegments`.
        level: Confidence level of the score intervals, between 0 and 1.
        ax: Axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        InvalidType: Something else than scores.
        InvalidValue: There is no segment, or the level is not between 0 and 1.
        MissingExtra: matplotlib is not installed.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> from retention_metrics import nps
        >>> scores = {"Park": nps.NpsScore(promoters=2, passives=0, detractors=1),
        ...           "Harbour": nps.NpsScore(promoters=1, passives=1, detractors=1)}
        >>> axes = nps_segments(scores, ax=Figure().subplots())
        >>> [text.get_text() for text in axes.texts]
        ['33 (n = 3)', '0 (n = 3)']

    References:
        Reichheld (2003), *Harvard Business Review* 81(12), 46-54.
    """
    expect((Mapping, NpsSegments), segments=segments)
    scores = {row.segment: row.score for row in segments.rows} if isinstance(segments, NpsSegments) else segments
    for name, score in scores.items():
        expect(NpsScore, **{f"segments[{name!r}]": score})
    if not scores:
        raise InvalidValue("segments must hold at least one score")
    with sheet(ax, height=0.8 + 0.4 * len(scores), grid="x") as ax:
        rows_named(ax, list(scores))
        texts, said = [], []
        for y, (name, score) in enumerate(scores.items()):
            span = score.interval(level)
            ax.hlines(y, span.low, span.high, color=BLUE, linewidth=2, alpha=0.45)
            ax.plot(score.value, y, "o", color=BLUE, markersize=6)
            words = f"{score.value:.0f} (n = {score.n:,})"
            texts.append(
                ax.annotate(words, (span.high, y), (4, 0), textcoords="offset points", va="center", color=GREY)
            )
            said.append(f"{name} {score.value:.0f} ({span.low:.0f} to {span.high:.0f}, n = {score.n:,})")
        ax.set_xlabel(_POINTS)
        if ax.get_xlim()[0] < 0 < ax.get_xlim()[1]:
            ax.axvline(0, color=LINE, linewidth=0.8)
        fit_right(ax, texts)
        return describe(ax, f"Net Promoter Score by segment with {100 * level:g} % intervals: {', '.join(said)}.")
