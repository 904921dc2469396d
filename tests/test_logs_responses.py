"""Every question to a log of survey answers, on every engine, against plain Python."""

import datetime as dt
import itertools
import math
import random
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from retention_metrics import nps
from retention_metrics.errors import (
    InvalidRows,
    InvalidType,
    InvalidValue,
    MissingColumn,
    RowsExcludedWarning,
    UndefinedMetric,
)
from retention_metrics.logs import Responses
from retention_metrics.nps import _integrity

AS_OF = dt.date(2024, 3, 31)
ROLES = {"customer": "who", "time": "at", "score": "answer"}
EXTRAS = {"segment": "shop", "agent": "by", "reason": "why", "may_contact": "ok"}


class Answer(NamedTuple):
    who: str
    at: dt.datetime
    answer: int
    shop: str | None
    by: str
    why: str
    ok: bool | None
    weight: float


def survey(seed=11, size=160):
    """Repeated answers, two at one moment, a customer without a shop, answers after ``AS_OF``, and a dull agent."""
    rng = random.Random(seed)
    rows = []
    for i in range(size):
        who = f"client {rng.randrange(60):02}"
        at = dt.datetime(2024, 1, 3, 9) + dt.timedelta(seconds=rng.randrange(95 * 86_400))
        rows.append(
            Answer(
                who,
                at,
                rng.choice([0, 3, 5, 6, 7, 8, 8, 9, 9, 10]),
                rng.choice(["north", "south", None]),
                rng.choice(["ann", "bob"]),
                rng.choice(["wait", "price", "staff"]),
                rng.choice([True, False, None]),
                rng.choice([0.5, 1.0, 2.0]),
            )
        )
        if i % 20 == 0:
            rows.append(rows[-1]._replace(answer=rng.choice([2, 10])))
    start = dt.datetime(2024, 2, 10, 18, 0, 7)
    dull = [
        Answer(f"paper {i}", start + dt.timedelta(seconds=3 * i), 9, "north", "cleo", "staff", False, 1.0)
        for i in range(25)
    ]
    rng.shuffle(rows)
    return rows + dull


ROWS = survey()


def columns(rows):
    types = {"at": pa.timestamp("us"), "answer": pa.int64(), "ok": pa.bool_(), "weight": pa.float64()}
    return {name: pa.array([getattr(r, name) for r in rows], types.get(name, pa.string())) for name in Answer._fields}


def counted(rows):
    return {name: Counter(_class(row.answer) for row in rows)[name] for name in ("promoters", "passives", "detractors")}


def counts_of(sample):
    return {name: getattr(sample, name) for name in ("promoters", "passives", "detractors")}


def _class(answer):
    return "promoters" if answer >= 9 else "passives" if answer >= 7 else "detractors"


def in_time(rows):
    return [row for row in rows if row.at.date() <= AS_OF]


def one_each(rows, rule, key=lambda row: row.who):
    """The latest or first answer of each customer; of answers at one moment the lowest."""
    chosen = {}
    for row in rows:
        old = chosen.get(key(row))
        later = old is not None and (row.at > old.at if rule == "latest" else row.at < old.at)
        if old is None or later or (row.at == old.at and row.answer < old.answer):
            chosen[key(row)] = row
    return list(chosen.values())


@pytest.fixture
def log(engine):
    return Responses(engine.frame(**columns(ROWS)), **ROLES, **EXTRAS)


def test_the_survey_is_nasty():
    moments = [(row.who, row.at) for row in ROWS]
    assert len(moments) > len(set(moments)), "two answers of one customer at one moment"
    assert any(row.at.date() > AS_OF for row in ROWS)
    assert any(row.shop is None for row in ROWS)
    assert any(row.ok is None for row in ROWS)


@pytest.mark.parametrize("rule", ["latest", "first", "all"])
def test_the_score_of_everybody(engine, rule):
    log = Responses(engine.frame(**columns(ROWS)), **ROLES, repeated=rule)
    found = log.score(as_of=AS_OF)
    usable = in_time(ROWS)
    kept = usable if rule == "all" else one_each(usable, rule)
    assert counts_of(found) == counted(kept)
    expected = {"after as_of": len(ROWS) - len(usable)}
    if rule != "all":
        expected[{"latest": "followed by a later answer", "first": "preceded by an earlier answer"}[rule]] = len(
            usable
        ) - len(kept)
    assert found.excluded == expected


def test_scores_by_segment_add_up_to_the_score_of_everybody(log):
    table = log.score(as_of=AS_OF, by="segment")
    kept = one_each(in_time(ROWS), "latest")
    expected = {shop: counted([row for row in kept if row.shop == shop]) for shop in ("north", "south", None)}
    assert [cell.group for cell in table.cells] == [("north",), ("south",), (None,)]
    assert {cell.group[0]: counts_of(cell.score) for cell in table.cells} == expected
    everybody = log.score(as_of=AS_OF)
    assert counts_of(table.total) == counts_of(everybody)
    by_size = math.fsum(cell.score.n * cell.score.value for cell in table.cells) / everybody.n
    assert by_size == pytest.approx(everybody.value)
    assert set(table.segments()) == {"north", "south", "(none)"}


def test_scores_by_columns_and_period(log):
    """One answer a customer and period; any column of the frame can make segments."""
    table = log.score(as_of="2024-03-20", by=["agent", "why"], period="month")
    usable = [row for row in ROWS if row.at.date() <= dt.date(2024, 3, 20)]
    kept = one_each(usable, "latest", key=lambda row: (row.who, row.at.month))
    cells = defaultdict(list)
    for row in kept:
        cells[(row.by, row.why), dt.date(2024, row.at.month, 1)].append(row)
    assert [(cell.group, cell.period) for cell in table.cells] == sorted(cells)
    for cell in table.cells:
        assert counts_of(cell.score) == counted(cells[cell.group, cell.period])
        assert cell.complete == (cell.period.month < 3)
    frame = table.to_dict()
    assert frame["agent"] == [cell.group[0] for cell in table.cells]
    assert frame["period"][0] == "2024-01"


def test_the_segments_of_one_period():
    log = Responses(pa.table(columns(ROWS)), **ROLES, **EXTRAS)
    table = log.score(as_of=AS_OF, by="segment", period="month")
    for month in ("2024-01", "2024-02", "2024-03"):
        cells = [cell for cell in table.cells if f"{cell.period:%Y-%m}" == month]
        assert list(table.segments(month).values()) == [cell.score for cell in cells]
    assert sum(sample.n for sample in table.segments().values()) == table.total.n
    with pytest.raises(InvalidValue, match="period must be one of '2024-01', .* got '2024-04'"):
        table.segments("2024-04")


def test_weighted_scores(engine):
    log = Responses(engine.frame(**columns(ROWS)), **ROLES, weight="weight", repeated="all")
    kept = in_time(ROWS)
    plain = nps.score([row.answer for row in kept], weights=[row.weight for row in kept])
    found = log.score(as_of=AS_OF)
    assert counts_of(found) == counts_of(plain)
    assert found.value == pytest.approx(plain.value)
    for method in ("kish", "linearised"):
        assert found.standard_error(method=method) == pytest.approx(plain.standard_error(method=method))


def test_the_trend_shows_months_in_which_nobody_answered(engine):
    kept = [row for row in ROWS if row.at.month != 2]
    trend = Responses(engine.frame(**columns(kept)), **ROLES).trend(as_of=AS_OF)
    assert [step.period.month for step in trend.steps] == [1, 2, 3]
    january, february, march = trend.steps
    assert february.score is None
    assert february.change is None
    assert january.change is None
    assert march.change == nps.compare(march.score, january.score)
    for step, month in ((january, 1), (march, 3)):
        rows = one_each([row for row in in_time(kept) if row.at.month == month], "latest")
        assert counts_of(step.score) == counted(rows)
    assert trend.to_dict()["n"][1] == 0


@pytest.mark.parametrize("group", ["promoters", "passives", "detractors"])
@pytest.mark.parametrize("kind", [pa.bool_(), pa.int64()], ids=str)
def test_follow_up_lists_those_who_agreed(engine, group, kind):
    if engine.name == "dask" and kind == pa.bool_():
        kind = pa.int8()  # Dask turns booleans with gaps into strings before we see them
    table = columns(ROWS)
    log = Responses(engine.frame(**table | {"ok": table["ok"].cast(kind)}), **ROLES, **EXTRAS)
    with pytest.warns(RowsExcludedWarning, match="follow_up leaves out"):
        found = engine.rows(log.follow_up(group, as_of=AS_OF))
    kept = [row for row in one_each(in_time(ROWS), "latest") if row.ok is True and _class(row.answer) == group]
    assert kept, "an empty list proves nothing"
    expected = [(row.who, row.answer, row.why, row.shop, row.by) for row in sorted(kept)]
    assert [
        tuple(row[name] for name in ("customer", "score", "reason", "segment", "agent")) for row in found
    ] == expected
    assert list(found[0]) == ["customer", "time", "score", "reason", "segment", "agent"]


def test_integrity_counts_what_it_says(log):
    found = log.integrity(as_of=AS_OF)
    usable = in_time(ROWS)
    assert {row.agent for row in found.agents} == {"ann", "bob", "cleo"}
    for row in found.agents:
        own = sorted(
            (each for each in usable if each.by == row.agent), key=lambda each: (each.at, each.who, each.answer)
        )
        shares = [count / len(own) for count in Counter(each.answer for each in own).values()]
        seconds = [each.at.timestamp() // 1 for each in own]
        assert row.n == len(own)
        assert row.entropy == pytest.approx(-math.fsum(p * math.log2(p) for p in shares))
        assert row.longest_run == max(len(list(run)) for _, run in itertools.groupby(each.answer for each in own))
        assert row.duplicates == len(own) - len({(each.who, each.at.date()) for each in own})
        assert row.too_fast == sum(b - a < 10 for a, b in itertools.pairwise(seconds))
    worst = found.agents[0]
    assert worst.agent == "cleo"
    assert set(worst.flags) == {"too alike", "long run", "too fast"}
    assert {flag for row in found.agents[1:] for flag in row.flags} <= {"duplicates", "too fast"}


def test_bad_scores_are_counted_or_refused(engine):
    rows = [row._replace(who=f"c{i}") for i, row in enumerate(ROWS[:8])]
    table = columns(rows)
    table["answer"] = pa.array([11, -1, 9, 10, None, 0, 7, 3], pa.int64())
    table["who"] = pa.array(["a", "b", "c", None, "e", "f", "g", "h"])
    with pytest.raises(InvalidRows, match="2 score out of scale") as refused:
        Responses(engine.frame(**table), **ROLES).score(as_of="2025-01-01")
    assert refused.value.counts == {"null customer": 1, "score missing or not finite": 1, "score out of scale": 2}
    lenient = Responses(engine.frame(**table), **ROLES, on_invalid="exclude").score(as_of="2025-01-01")
    assert lenient.excluded == refused.value.counts
    assert counts_of(lenient) == {"promoters": 1, "passives": 1, "detractors": 2}


def test_fractional_scores_and_zero_weights(engine):
    rows = [row._replace(who=f"c{i}") for i, row in enumerate(ROWS[:5])]
    table = columns(rows)
    table["answer"] = pa.array([9.0, 6.5, float("nan"), 0.0, 10.0])
    table["weight"] = pa.array([1.0, 1.0, 1.0, 0.0, 3.0])
    log = Responses(engine.frame(**table), **ROLES, weight="weight", on_invalid="exclude")
    found = log.score(as_of="2025-01-01")
    assert found.excluded == {
        "score missing or not finite": 1,
        "score fractional": 1,
        "weight not a positive number": 1,
    }
    assert counts_of(found) == {"promoters": 2, "passives": 0, "detractors": 0}


def test_integer_segments_are_called_the_same_everywhere(engine):
    table = columns(ROWS)
    table["shop"] = pa.array([None if i % 5 == 0 else i % 3 for i in range(len(ROWS))], pa.int64())
    found = Responses(engine.frame(**table), **ROLES, segment="shop").score(as_of=AS_OF, by="segment")
    assert [cell.group[0] for cell in found.cells] == ["0", "1", "2", None]


def test_days_and_whole_minutes_cannot_tell_the_speed():
    days = columns(ROWS) | {"at": pa.array([row.at.date() for row in ROWS])}
    log = Responses(pa.table(days), **ROLES, agent="by")
    found = log.integrity(as_of=AS_OF)
    assert found.speed_unknown == "the log has days and no times"
    assert {row.too_fast for row in found.agents} == {None}
    midnight = columns(ROWS) | {"at": pa.array([dt.datetime.combine(row.at.date(), dt.time()) for row in ROWS])}
    assert (
        Responses(pa.table(midnight), **ROLES, agent="by").integrity(as_of=AS_OF).speed_unknown.startswith("all times")
    )
    minutes = columns(ROWS) | {"at": pa.array([row.at.replace(second=0) for row in ROWS])}
    log = Responses(pa.table(minutes), **ROLES, agent="by")
    assert log.integrity(as_of=AS_OF).speed_unknown == "all times are whole minutes"
    assert log.integrity(as_of=AS_OF, fastest=90).speed_unknown is None


def test_answers_off_the_scale_and_rows_without_agent_are_evidence():
    table = columns(ROWS[:30])
    table["answer"] = pa.array([77, 11, *[row.answer for row in ROWS[2:30]]], pa.int64())
    table["by"] = pa.array(["ann", "bob", None, *["ann"] * 27])
    found = Responses(pa.table(table), **ROLES, agent="by").integrity(as_of="2025-01-01")
    assert {row.agent: (row.n, row.unusable) for row in found.agents} == {"ann": (27, 1), "bob": (0, 1)}
    assert found.without_agent == 1
    assert found.excluded == {"score out of scale": 2}


def test_the_permutation_p_value_is_that_of_all_subsets():
    """Five answers of one agent among nine: all 126 ways to choose five of the nine."""
    mine, others = [9, 9, 9, 9, 8], [3, 8, 10, 9]
    counts = np.array([np.bincount(answers, minlength=11) for answers in (mine, others)])

    def entropy(answers):
        shares = [count / len(answers) for count in Counter(answers).values()]
        return -math.fsum(p * math.log2(p) for p in shares)

    ways = [entropy(chosen) for chosen in itertools.combinations(mine + others, 5)]
    exact = sum(way <= entropy(mine) + 1e-9 for way in ways) / len(ways)
    zero = np.zeros(2, int)
    evidence = _integrity.Evidence(["me", "them"], counts, zero, np.array([4, 1]), zero, None)
    rows = {row.agent: row for row in _integrity.judge(evidence, level=0.99, rng=np.random.default_rng(1))}
    assert rows["me"].p_alike == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 19_999))
    assert rows["me"].expected_entropy == pytest.approx(sum(ways) / len(ways), abs=0.02)
    assert rows["me"].too_fast is None


@pytest.mark.parametrize("n", [1, 2, 4, 6, 8])
def test_the_chance_of_a_run_is_that_of_all_sequences(n):
    shares = np.array([0.5, 0.3, 0.2])
    longest = defaultdict(float)
    for sequence in itertools.product(range(3), repeat=n):
        run = max(len(list(group)) for _, group in itertools.groupby(sequence))
        longest[run] += math.prod(shares[list(sequence)])
    for run in range(1, n + 2):
        expected = math.fsum(chance for length, chance in longest.items() if length >= run)
        assert _integrity.run_chance(shares, n, run) == pytest.approx(expected, abs=1e-12)


def test_the_chance_of_a_run_among_very_many_answers():
    """Of fair coins, the sequences without a run of k equal faces are counted like Fibonacci numbers (Feller, XIII)."""
    n, run = 9_000, 14
    ways = [1]
    for t in range(1, n + 1):
        ways.append(2 * ways[t - 1] if t < run else sum(ways[t - run + 1 : t]) if t > run else 2**t - 2)
    exact = 1 - ways[n] / 2**n
    assert _integrity.run_chance(np.array([0.5, 0.5]), n, run) == pytest.approx(exact, abs=1e-9)


def test_trustworthy_agents_are_rarely_flagged():
    """Twenty surveys whose agents all draw from one pool; a false flag has probability 1 % in each test and survey."""
    rng = np.random.default_rng(5)
    flagged = 0
    for seed in range(20):
        answers = rng.choice(11, size=(6, 50), p=[0.02] * 5 + [0.05, 0.05, 0.1, 0.2, 0.25, 0.25])
        counts = np.array([np.bincount(each, minlength=11) for each in answers])
        runs = np.array([max(len(list(g)) for _, g in itertools.groupby(each)) for each in answers.tolist()])
        zero = np.zeros(6, int)
        evidence = _integrity.Evidence(list("abcdef"), counts, zero, runs, zero, zero)
        rows = _integrity.judge(evidence, level=0.99, rng=np.random.default_rng(seed))
        flagged += any(row.flags for row in rows)
    assert flagged <= 3


def test_what_is_refused():
    table = pa.table(columns(ROWS))
    with pytest.raises(MissingColumn, match=r"score column 'anser' is not in the frame; the nearest is 'answer'"):
        Responses(table, customer="who", time="at", score="anser")
    with pytest.raises(InvalidType, match="score column 'why' holds String, not numbers"):
        Responses(table, customer="who", time="at", score="why")
    with pytest.raises(InvalidType, match="score column 'ok' holds Boolean"):
        Responses(table, customer="who", time="at", score="ok")
    with pytest.raises(InvalidValue, match="repeated must be one of"):
        Responses(table, **ROLES, repeated="newest")
    log = Responses(table, **ROLES)
    with pytest.raises(MissingColumn, match="by column 'town' is not in the frame"):
        log.score(as_of=AS_OF, by="town")
    with pytest.raises(InvalidValue, match="name the column with may_contact="):
        log.follow_up("promoters", as_of=AS_OF)
    with pytest.raises(InvalidValue, match="name their column with agent="):
        log.integrity(as_of=AS_OF)
    with pytest.raises(InvalidType, match="must hold true and false, or 1 and 0"):
        Responses(table, **ROLES, may_contact="why").follow_up("promoters", as_of=AS_OF)
    nobody = pa.table(columns([row._replace(by=None) for row in ROWS]))
    with pytest.raises(UndefinedMetric, match="no row names an agent"):
        Responses(nobody, **ROLES, agent="by").integrity(as_of=AS_OF)
    with pytest.raises(InvalidValue, match="no usable row up to as_of 2020-01-01"):
        log.score(as_of="2020-01-01")


def test_results_travel_as_json():
    log = Responses(pa.table(columns(ROWS)), **ROLES, **EXTRAS)
    for result in (
        log.score(as_of=AS_OF),
        log.score(as_of=AS_OF, by="segment", period="month"),
        log.trend(as_of=AS_OF),
        log.integrity(as_of=AS_OF),
    ):
        assert type(result).model_validate_json(result.model_dump_json()) == result
