"""What the engine counts to see whether survey answers can be trusted."""

import datetime as dt
from dataclasses import replace

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import day, fraction, generator, single, whole
from retention_metrics._typing import IntArray
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.logs._engines import Frame, longest_runs, to_labels, to_numbers, with_previous
from retention_metrics.logs._rows import Log, usable_rows
from retention_metrics.nps._integrity import Evidence, SurveyIntegrity, judge
from retention_metrics.nps._scales import Scale

_ANSWER = ("score missing or not finite", "score out of scale", "score fractional")


def integrity(
    log: Log,
    *,
    as_of: dt.date | str,
    level: float,
    fastest: int,
    rng: np.random.Generator | int,
    scale: Scale,
) -> SurveyIntegrity:
    """See :meth:`Responses.integrity`."""
    if "agent" not in log.columns:
        raise InvalidValue("integrity compares the people who collected the answers; name their column with agent=")
    until = day(as_of=as_of)
    confidence = single(fraction(open_low=True, open_high=True, level=level), "level")
    seconds = whole(0, fastest=fastest)
    # Answers that cannot be used are evidence here, so they are counted and not refused.
    log = replace(log, on_invalid="exclude", carried={name: log.carried[name] for name in ("score", "agent")})
    unusable = _unusable(log, until)
    rows, excluded, _, usable = usable_rows(log, as_of=until)
    known = rows.filter(~nw.col("agent").is_null())
    points = scale.high - scale.low + 1
    table = known.group_by("agent", "score").agg(nw.len().alias("count")).collect()
    agents = to_labels(table["agent"])
    order = sorted({*agents, *unusable}, key=str)
    if not order:
        raise UndefinedMetric("integrity", "no row names an agent")
    place = {agent: i for i, agent in enumerate(order)}
    counts = np.zeros((len(order), points), np.int64)
    answers = table["score"].to_numpy().astype(np.int64) - scale.low
    counts[[place[agent] for agent in agents], answers] = table["count"].to_numpy().astype(np.int64)

    def by_agent(found: Frame, column: str) -> IntArray:
        small = found.collect()
        values = np.zeros(len(order), np.int64)
        values[[place[agent] for agent in to_labels(small["agent"])]] = small[column].to_numpy().astype(np.int64)
        return values

    known = known.with_columns(log.clock_of("time").day().alias("day"))
    ordered = longest_runs(known, within="agent", order=["time", "customer", "score"], of="score")
    visits = known.group_by("agent", "customer", "day").agg(nw.len().alias("answers"))
    twice = visits.with_columns(more=nw.col("answers").cast(nw.Int64) - 1).group_by("agent").agg(nw.col("more").sum())
    speed_unknown = _speed_unknown(log, known, seconds)
    fast = None if speed_unknown else by_agent(_too_fast(log, known, seconds), "fast")
    evidence = Evidence(
        agents=[str(agent) for agent in order],
        counts=counts,
        unusable=np.array([unusable.get(agent, 0) for agent in order], np.int64),
        runs=by_agent(ordered, "longest"),
        duplicates=by_agent(twice, "more"),
        fast=fast,
    )
    return SurveyIntegrity(
        as_of=until,
        agents=judge(evidence, level=confidence, rng=generator(rng)),
        level=confidence,
        fastest=seconds,
        speed_unknown=speed_unknown,
        without_agent=usable - int(counts.sum()),
        excluded=excluded,
    )


def _unusable(log: Log, until: dt.date) -> dict[str | None, int]:
    """Answers of each agent that are missing, fractional or off the scale."""
    flags = log.invalid()
    bad = flags[_ANSWER[0]]
    for name in _ANSWER[1:]:
        bad = bad | flags[name] if name in flags else bad
    agent = nw.col(log.columns["agent"]).alias("agent")
    rows = log.frame.filter(bad & ~nw.col(log.columns["agent"]).is_null() & ~flags["null time"])
    rows = rows.filter(~log.clock.after(until)).select(agent)
    table = rows.group_by("agent").agg(nw.len().alias("count")).collect()
    return dict(zip(to_labels(table["agent"]), table["count"].to_list(), strict=True))


def _speed_unknown(log: Log, rows: Frame, seconds: int) -> str | None:
    """Why the times of the log cannot tell how fast answers came."""
    if not seconds:
        return "fastest is 0"
    if log.clock.kind == "date":
        return "the log has days and no times"
    moment = log.clock_of("time").second().alias("second")
    rest = (nw.col("second") - nw.col("second") // 60 * 60).alias("rest")
    found = to_numbers(rows.select(moment).with_columns(rest).select(nw.col("second").max(), nw.col("rest").max()))
    if not found["second"][0]:
        return "all times are midnight, so they are days"
    if not found["rest"][0] and seconds <= 60:
        return "all times are whole minutes"
    return None


def _too_fast(log: Log, rows: Frame, seconds: int) -> Frame:
    moment = nw.col("day").cast(nw.Int64) * 86_400 + log.clock_of("time").second()
    steps = with_previous(rows.select("agent", moment.alias("second")), within="agent", order="second")
    late = nw.col("second") - nw.col("previous")
    steps = steps.filter(~nw.col("previous").is_null()).with_columns(fast=(late < seconds).cast(nw.Int64))
    return steps.group_by("agent").agg(nw.col("fast").sum())
