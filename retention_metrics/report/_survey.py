"""What a survey says: the score, its trend, its segments and reasons, whom to trust and whom to call."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

import narwhals.stable.v2 as nw

from retention_metrics.errors import UndefinedMetric
from retention_metrics.logs import Responses
from retention_metrics.logs._answers import score as score_of_log
from retention_metrics.nps import (
    AgentIntegrity,
    NpsScore,
    NpsStep,
    NpsTable,
    NpsTrend,
    SurveyIntegrity,
    compare,
    compare_segments,
)
from retention_metrics.plots import nps_segments, nps_trend
from retention_metrics.report._answer import answered, rows_in
from retention_metrics.report._page import Column, Figure, Item, Picture, Section, Sentence, Table, words

_FEW = 30
_ROWS = 12
_YEAR = 12


def survey_sections(survey: Responses, as_of: dt.date) -> Iterator[Section]:
    """The questions that a survey answers."""
    roles = survey._log.columns
    yield answered("nps", lambda: _score(survey, as_of), lambda: _trend(survey, as_of))
    if "segment" in roles:
        yield answered("nps_segments", lambda: _segments(survey.score(as_of=as_of, by="segment")))
    if "reason" in roles:
        yield answered("reasons", lambda: _reasons(survey.score(as_of=as_of, by="reason")))
    if "agent" in roles:
        yield answered("trust", lambda: _trust(survey, as_of))
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
    yield from _change(survey, trend)
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


def _change(survey: Responses, trend: NpsTrend) -> Iterator[Item]:
    """The last year, or half of a shorter time, against as many months before it, in whole months.

    The answer of a customer that counts is found anew within each span. Who answered in both is taken for two people,
    which makes the interval a little too wide as long as people answer alike each time.
    """
    whole = [step for step in trend.steps if step.complete]
    months = min(_YEAR, len(whole) // 2)
    if months == 0:
        return
    spans = whole[-2 * months : -months], whole[-months:]
    if any(all(step.score is None for step in span) for span in spans):
        return
    before, now = (_score_of(survey, _within(survey, span), _end(span[-1].period)) for span in spans)
    change = compare(now, before)
    limits = change.interval()
    key = "nps.rose" if limits.low > 0 else "nps.fell" if limits.high < 0 else "nps.same"
    earlier, later = map(_named, spans)
    yield Sentence(
        words(
            key,
            earlier=earlier,
            later=later,
            before=before.value,
            now=now.value,
            change=change.observed,
            low=limits.low,
            high=limits.high,
        )
    )


def _within(survey: Responses, span: Sequence[NpsStep]) -> nw.Expr:
    """Rows from the first day of a span on."""
    return survey._log.clock.after(span[0].period - dt.timedelta(days=1))


def _end(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def _named(span: Sequence[NpsStep]) -> str:
    first, last = (f"{span[i].period:%Y-%m}" for i in (0, -1))
    return first if first == last else f"{first} \N{EN DASH} {last}"


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


def _trust(survey: Responses, as_of: dt.date) -> Iterator[Item]:
    found = survey.integrity(as_of=as_of)
    flagged = _suspects(found)
    told = words("flagged.meaning", count=len(found.agents))
    yield Figure("flagged", len(flagged), "count", told)
    if flagged:
        answers = sum(each.n for each in flagged) / sum(each.n for each in found.agents)
        names = [each.agent for each in flagged[:5]]
        yield Sentence(words("trust.look", names=names, share=answers), warns=True, headline=True)
        yield from _without(survey, found, as_of)
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


def _suspects(found: SurveyIntegrity) -> list[AgentIntegrity]:
    """Those whose answers look made up; a customer who answered twice on a day does not make them so."""
    return [each for each in found.flagged if set(each.flags) != {"duplicates"}]


def _without(survey: Responses, found: SurveyIntegrity, as_of: dt.date) -> Iterator[Item]:
    """The score of the answers that the flagged agents did not collect, if there are any."""
    flagged = {each.agent for each in _suspects(found)}
    if found.without_agent + sum(each.n for each in found.agents if each.agent not in flagged) == 0:
        return
    agent = nw.col(survey._log.columns["agent"])
    everybody = survey.score(as_of=as_of)
    # Whole floats are named without their point, and written with it.
    written = [f"{each}.0" if survey._log.dtype("agent").is_float() else each for each in sorted(flagged)]
    others = _score_of(survey, agent.is_null() | ~agent.cast(nw.String).is_in(written), as_of)
    assert isinstance(everybody, NpsScore)  # noqa: S101
    span = others.interval()
    said = words("trust.without", score=others.value, low=span.low, high=span.high, all=everybody.value)
    yield Sentence(said, headline=True)


def _score_of(survey: Responses, kept: nw.Expr, as_of: dt.date) -> NpsScore:
    """The score of some rows of the log, each customer counted as in the whole of it."""
    log = replace(survey._log, frame=survey._log.frame.filter(kept))
    score = score_of_log(log, as_of=as_of, by=None, period=None, repeated=survey._repeated, scale=survey._scale)
    assert isinstance(score, NpsScore)  # noqa: S101
    return score


def _call(survey: Responses, as_of: dt.date) -> Iterator[Item]:
    call, thank = (rows_in(survey.follow_up(group, as_of=as_of)) for group in ("detractors", "promoters"))
    yield Figure("to_call", call, "count", headline=True)
    yield Figure("to_thank", thank, "count")
    yield Sentence(words("call.list"))
