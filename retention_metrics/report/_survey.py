"""What a survey says: the score, its trend, its segments and reasons, whom to trust and whom to call."""

import datetime as dt
from collections.abc import Iterator

from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs import Responses
from retention_metrics.nps import NpsScore, NpsTable, NpsTrend, SurveyIntegrity, compare_segments
from retention_metrics.plots import nps_segments, nps_trend
from retention_metrics.report._answer import answered, rows_in
from retention_metrics.report._page import Column, Figure, Item, Picture, Section, Sentence, Table, words

_FEW = 30
_ROWS = 12


def survey_sections(survey: Responses, as_of: dt.date) -> Iterator[Section]:
    """The questions that a survey answers."""
    roles = survey._log.columns
    yield answered("nps", lambda: _score(survey, as_of), lambda: _trend(survey, as_of))
    if "segment" in roles:
        yield answered("nps_segments", lambda: _segments(survey.score(as_of=as_of, by="segment")))
    if "reason" in roles:
        yield answered("reasons", lambda: _reasons(survey.score(as_of=as_of, by="reason")))
    if "agent" in roles:
        yield answered("trust", lambda: _trust(survey.integrity(as_of=as_of)))
    if "may_contact" in roles:
        yield answered("call", lambda: _call(survey, as_of))


def survey_missing(survey: Responses) -> Iterator[tuple[str, str]]:
    """What the columns of a survey leave open."""
    needs = {"segment": "segments", "reason": "reasons", "agent": "trust", "may_contact": "call"}
    names = {"may_contact": "agreed"}
    for role, question in needs.items():
        if role not in survey._log.columns:
            yield question, names.get(role, role)


def _score(survey: Responses, as_of: dt.date) -> Iterator[Item]:
    score = survey.score(as_of=as_of)
    assert isinstance(score, NpsScore)  # noqa: S101
    few = words("nps.few", count=score.n) if score.n < _FEW else None
    yield Figure("nps", score.value, "points", interval=score.interval(), warning=few, headline=True)
    yield Figure("answers", score.n, "count")
    for name in ("promoters", "passives", "detractors"):
        count = getattr(score, name)
        yield Figure(name, count, "count", share=count / score.n)
    if score.excluded:
        yield Sentence(words("nps.left_out", counts=score.excluded))


def _trend(survey: Responses, as_of: dt.date) -> Iterator[Item]:
    trend = survey.trend(as_of=as_of)
    yield from _last_change(trend)
    if len(trend.steps) > 1:
        yield Picture("nps_trend", lambda: nps_trend(trend))
    rows = []
    for step in trend.steps:
        score, change = step.score, step.change
        limits = (None, None) if score is None else (score.interval().low, score.interval().high)
        moved = None if change is None else change.observed
        span = (None, None) if change is None else (change.interval().low, change.interval().high)
        counted = (0, None) if score is None else (score.n, score.value)
        rows.append((f"{step.period:%Y-%m}", *counted, *limits, moved, *span))
    running = frozenset((i, 0) for i, step in enumerate(trend.steps) if not step.complete)
    names = ("score", "low", "high", "change", "change_low", "change_high")
    header = (Column("month", "text"), Column("answers", "count"), *(Column(name, "points") for name in names))
    yield Table("nps_trend", header, tuple(rows), provisional=running)
    if running:
        yield Sentence(words("months.running"))


def _last_change(trend: NpsTrend) -> Iterator[Item]:
    """What can be said of the latest whole month against the one before it."""
    steps = [step for step in trend.steps if step.complete and step.change is not None]
    if not steps:
        return
    change = steps[-1].change
    assert change is not None  # noqa: S101
    span = change.interval()
    key = "nps.rose" if span.low > 0 else "nps.fell" if span.high < 0 else "nps.same"
    month = f"{steps[-1].period:%Y-%m}"
    yield Sentence(words(key, month=month, change=change.observed, low=span.low, high=span.high))


def _segments(table: NpsScore | NpsTable) -> Iterator[Item]:
    scores = _by_name(table)
    if len(scores) < 2:
        raise UndefinedMetric("the comparison of segments", "there is only one segment")
    compared = compare_segments(scores)
    yield Picture("nps_segments", lambda: nps_segments(compared))
    rows = []
    for row in sorted(compared.rows, key=lambda each: each.score.value):
        span, other = row.score.interval(), row.comparison
        differs = (None, None, None) if other is None else (other.observed, other.interval().low, other.interval().high)
        rows.append((row.segment, row.score.n, row.score.value, span.low, span.high, *differs, row.p_adjusted))
    points = ("score", "low", "high", "rest", "rest_low", "rest_high")
    header = (Column("segment", "name"), Column("answers", "count"), *(Column(each, "points") for each in points))
    yield Table("nps_segments", (*header, Column("p", "p")), tuple(rows))
    apart = [row.segment for row in compared.rows if row.p_adjusted is not None and row.p_adjusted < 0.05]
    yield Sentence(words("nps_segments.apart", names=apart) if apart else words("nps_segments.alike"))


def _by_name(table: NpsScore | NpsTable) -> dict[str, NpsScore]:
    assert isinstance(table, NpsTable)  # noqa: S101
    return {cell.group[0]: cell.score for cell in table.cells if cell.group[0] is not None}


def _reasons(table: NpsScore | NpsTable) -> Iterator[Item]:
    scores = _by_name(table)
    if not scores:
        raise UndefinedMetric("reasons", "nobody gave a reason")
    ranked = sorted(scores.items(), key=lambda item: (-item[1].detractors, -item[1].n, item[0]))
    worst, of = ranked[0]
    if of.detractors:
        everybody = sum(each.detractors for each in scores.values())
        yield Sentence(
            words("reasons.first", reason=worst, count=of.detractors, share=of.detractors / everybody), headline=True
        )
    rows = tuple((name, each.promoters, each.passives, each.detractors) for name, each in ranked[:_ROWS])
    counts = (Column(name, "count") for name in ("promoters", "passives", "detractors"))
    yield Table("reasons", (Column("reason", "name"), *counts), rows)
    if len(ranked) > _ROWS:
        yield Sentence(words("table.more", count=len(ranked) - _ROWS))


def _trust(found: SurveyIntegrity) -> Iterator[Item]:
    flagged = found.flagged
    told = words("flagged.meaning", count=len(found.agents))
    yield Figure("flagged", len(flagged), "count", told)
    if flagged:
        answers = sum(each.n for each in flagged) / sum(each.n for each in found.agents)
        names = [each.agent for each in flagged[:5]]
        yield Sentence(words("trust.look", names=names, share=answers), warns=True, headline=True)
    else:
        yield Sentence(words("trust.clean"))
    rows = tuple(
        (
            each.agent,
            each.n,
            each.unusable,
            each.longest_run,
            each.duplicates,
            each.too_fast,
            words(f"flags.{len(each.flags)}", **{f"flag_{i}": f"flag.{flag}" for i, flag in enumerate(each.flags)}),
        )
        for each in found.agents[:_ROWS]
    )
    counts = (Column(name, "count") for name in ("n", "unusable", "longest_run", "duplicates", "too_fast"))
    yield Table("trust", (Column("agent", "name"), *counts, Column("flags", "words")), rows)
    if len(found.agents) > _ROWS:
        yield Sentence(words("table.more", count=len(found.agents) - _ROWS))


def _call(survey: Responses, as_of: dt.date) -> Iterator[Item]:
    call, thank = (rows_in(survey.follow_up(group, as_of=as_of)) for group in ("detractors", "promoters"))
    yield Figure("to_call", call, "count", headline=True)
    yield Figure("to_thank", thank, "count")
    yield Sentence(words("call.list"))
