"""The cohort table: the reference triangles from their events, and what a table of counts can say."""

import dataclasses
import datetime as dt
import json
import math

import numpy as np
import pyarrow as pa
import pytest

from retention_metrics import cohorts, survival
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.logs import Transactions
from tests.oracles import Order, at, columns

# The retentioneering fixture, definitions.md 1.6: user and days, 26 events.
MONTHLY = {
    1: "2021-12-28 2022-01-03 2022-01-13 2022-02-03",
    2: "2021-12-28 2022-01-04 2022-01-15 2022-02-04 2022-04-04",
    3: "2022-01-05 2022-02-05 2022-04-05",
    4: "2022-01-06 2022-02-06",
    5: "2022-01-07 2022-02-07",
    6: "2022-01-08 2022-02-08",
    7: "2022-02-06 2022-03-06",
    8: "2022-02-07 2022-04-07",
    9: "2022-02-08 2022-03-08",
    10: "2022-03-03 2022-04-03",
}
# PostHog's test_day_interval: person and day numbers from 2020-06-10 on.
DAILY = {"p1": [0, 1, 2, 5, 5, 6], "p2": [1, 2, 3, 6]}
OPENED = dt.datetime.fromisoformat("2020-06-10")


def monthly_log(engine):
    orders = [Order(user, at(day), 1.0) for user, days in MONTHLY.items() for day in days.split()]
    assert len(orders) == 26
    return Transactions(engine.frame(**columns(orders)), customer="customer", time="time")


def nan_for_none(triangle):
    """Rows of equal length, with NaN for ``None`` and for what is missing at the right."""
    width = max(map(len, triangle))
    return [
        [math.nan if count is None else count for count in row] + [math.nan] * (width - len(row)) for row in triangle
    ]


def test_month_triangle_of_the_reference(engine, reference):
    """A-COH-01 and A-COH-02: an observed zero is a zero, and both averages count it."""
    item, averages = reference("A-COH-01"), reference("A-COH-02")
    table = monthly_log(engine).cohorts(period="month", as_of="2022-04-30")
    assert table.labels == ["2021-12", "2022-01", "2022-02", "2022-03"]
    assert table.sizes.tolist() == [row[0] for row in item["expect"]["counts"]]
    assert table.counts() == pytest.approx(np.array(nan_for_none(item["expect"]["counts"])), nan_ok=True)
    assert table.rates() == pytest.approx(np.array(nan_for_none(item["expect"]["rates"])), abs=item["tol"], nan_ok=True)
    for method in ("pooled", "unweighted"):
        expected = averages["expect"][method]
        assert table.average(method) == pytest.approx(np.array(expected), abs=averages["tol"])
        assert table.average(method) != pytest.approx(np.array(averages["expect"]["nan_skipping_wrong"]))


def test_the_running_month_is_partial(engine, reference):
    """Mid-April: the events of 3, 4 and 5 April are there, those of 7 April not yet; April is not final."""
    counts = reference("A-COH-01")["expect"]["counts"]
    table = monthly_log(engine).cohorts(as_of="2022-04-06")
    partial = table.states == "partial"
    assert [row.index("partial") for row in table.states.tolist()] == [4, 3, 2, 1], "one cell of April a row"
    # User 8 came on 7 April only: nobody of the February cohort was back in April by the 6th.
    assert table.counts()[partial].tolist() == [counts[0][4], counts[1][3], counts[2][2] - 1, counts[3][1]]
    assert table.excluded == {"after as_of": 1}
    # The columns without their April cells, by hand: 2 of 2, 4 of 4, 3 of 3, 1 of 1; 2+4+2 of 2+4+3; ...
    assert table.average() == pytest.approx(np.array([1, 8 / 9, 2 / 6, 0 / 2, math.nan]), nan_ok=True)
    unweighted = np.array([1, (1 + 1 + 2 / 3) / 3, (1 + 0) / 2, 0, math.nan])
    assert table.average("unweighted") == pytest.approx(unweighted, nan_ok=True)
    assert np.isnan(table.interval().low[partial]).all(), "no interval for a count so far"


def test_recurring_days_of_the_reference(engine, reference):
    """A-COH-03: everyone is in the cohort of every day of activity, and every day has a row."""
    item = reference("A-COH-03")
    orders = [Order(who, OPENED + dt.timedelta(days=n), 1.0) for who, days in DAILY.items() for n in days]
    log = Transactions(engine.frame(**columns(orders)), customer="customer", time="time")
    table = log.cohorts(period="day", anchor="every", as_of=(OPENED + dt.timedelta(days=10)).date())
    assert table.counts() == pytest.approx(np.array(nan_for_none(item["expect"]["counts"])), nan_ok=True)
    assert set(table.states.ravel()) == {"observed", "unobserved"}, "a day is over at its end"


def test_a_published_triangle_is_the_table_of_its_events(reference):
    """A-COH-01 once more, from its counts: the padded and the ragged form, up to the end of April."""
    padded = reference("A-COH-01")["expect"]["counts"]
    ragged = [[count for count in row if count is not None] for row in padded]
    for counts in (ragged, padded):
        table = cohorts.from_counts(counts, start="2021-12-01")
        assert table.counts() == pytest.approx(np.array(nan_for_none(padded)), nan_ok=True)
        assert table.average().tolist() == pytest.approx(reference("A-COH-02")["expect"]["pooled"])
        assert table.cohorts == tuple(dt.date.fromisoformat(f"{m}-01") for m in table.labels)
        assert table.as_of == dt.date(2022, 4, 30)


def test_intervals_of_the_reference(reference):
    """A-RET-12: Wilson intervals of 8 of 20 and of 0 of 20, to be found in the cells."""
    item = reference("A-RET-12")
    table = cohorts.from_counts([[size, kept] for kept, size in item["input"]["cells"]], start="2026-01-01")
    found = table.interval()
    assert np.stack([found.low[:, 1], found.high[:, 1]], axis=1).tolist() == [
        pytest.approx(limits, abs=item["tol"]) for limits in item["expect"]["ci"]
    ]
    assert found.low[0, 0] > 0.8, "20 of 20 is not certainty"
    assert found.high[0, 0] == 1
    assert (found.level, found.method) == (0.95, "wilson")


def test_sizes_may_differ_from_the_first_column():
    """Customers won, of whom not all were active in their first period: 3 of 4 and 4 of 8, pooled 7 of 12."""
    table = cohorts.from_counts([[3, 2], [4]], start="2026-01-01", sizes=[4, 8])
    assert table.rates()[:, 0].tolist() == [3 / 4, 4 / 8]
    assert table.average().tolist() == pytest.approx([7 / 12, 2 / 4])
    assert table.average("unweighted").tolist() == pytest.approx([(3 / 4 + 4 / 8) / 2, 2 / 4])


def test_an_empty_cohort_has_no_rate_and_no_weight():
    table = cohorts.from_counts([[0, 0], [4, 1], [2]], start="2026-01-01")
    assert np.isnan(table.rates()[0]).all()
    assert table.average("unweighted").tolist() == [1, 1 / 4]
    assert np.isnan(table.interval().low[0]).all()


@pytest.mark.parametrize(
    ("period", "labels"),
    [
        ("day", ["2026-01-01", "2026-01-02"]),
        ("month", ["2026-01", "2026-02"]),
        ("quarter", ["2026-Q1", "2026-Q2"]),
        ("year", ["2026", "2027"]),
    ],
)
def test_labels(period, labels):
    assert cohorts.from_counts([[2, 1], [1]], start="2026-01-01", period=period).labels == labels


def test_plain_values_go_through_json_and_frames():
    table = cohorts.from_counts([[4, 2, 0], [5, 3], [6]], start="2026-01-01")
    plain = json.loads(json.dumps(table.to_dict()))
    assert plain["retained"] == [[4, 2, 0], [5, 3, None], [6, None, None]]
    assert plain["as_of"] == "2026-03-31"
    for backend in ("pandas", "polars", "pyarrow"):
        pytest.importorskip(backend)
        frame = table.to_frame(backend)
        rows = frame.to_pylist() if backend == "pyarrow" else frame.to_dict(**_records(backend))
        assert [row["retained"] for row in _as_rows(rows)] == [4, 2, 0, 5, 3, 6], "no row where unobserved"
        assert [row["rate"] for row in _as_rows(rows)] == [1, 0.5, 0, 1, 0.6, 1]


def _records(backend):
    return {"orient": "records"} if backend == "pandas" else {"as_series": False}


def _as_rows(rows):
    if isinstance(rows, list):
        return rows
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


def test_the_printed_table_tells_the_three_states_apart():
    log = [Order("ann", at("2026-01-05"), 1.0), Order("bob", at("2026-02-10"), 1.0)]
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({name: array.to_pylist() for name, array in columns(log).items()})
    table = Transactions(frame, customer="customer", time="time").cohorts(as_of="2026-03-15")
    assert str(table).splitlines() == [
        "cohort     size      0      1      2",
        "2026-01       1  100.0    0.0   0.0*",
        "2026-02       1  100.0   0.0*",
        "pooled        2  100.0    0.0",
    ]


@pytest.mark.parametrize(
    ("counts", "question", "message"),
    [
        ([[4, 5]], {}, "2026-01 has 4 customers but 5 at age 1; the retained must be members"),
        ([[4, -1]], {}, "counts.* must be a finite number >= 0, got -1"),
        ([[4, math.inf]], {}, "counts.* must be a finite number >= 0, got inf"),
        ([], {}, "at least one cohort"),
        ([[]], {}, "at least one cohort"),
        ([[None, 1]], {}, "each cohort its count at age 0"),
        ([[4, 1]], {"sizes": [4, 4]}, "sizes must be 1 counts"),
        ([[4, 1]], {"start": "2026-01-05"}, "start must be the first day of a month.*2026-01-01 is"),
        ([[4, 1]], {"start": "01.01.2026"}, "start must be a day like '2026-10-31'"),
        ([[4, 1]], {"period": "months"}, "period must be one of .* did you mean 'month'"),
    ],
)
def test_what_a_table_of_counts_refuses(counts, question, message):
    with pytest.raises(InvalidValue, match=message):
        cohorts.from_counts(counts, **{"start": "2026-01-01"} | question)


@pytest.mark.parametrize("counts", [[["4", "2"]], [[True, False]]], ids=str)
def test_counts_are_numbers(counts):
    with pytest.raises(InvalidType, match="counts"):
        cohorts.from_counts(counts, start="2026-01-01")


@pytest.mark.parametrize("sizes", [[4.9], ["4"], [True]], ids=str)
def test_sizes_are_whole_numbers(sizes):
    """Half a customer is not rounded away."""
    with pytest.raises((InvalidType, InvalidValue), match="sizes"):
        cohorts.from_counts([[1, 1]], start="2026-01-01", sizes=sizes)


def test_average_and_interval_refuse_unknown_ways():
    table = cohorts.from_counts([[4, 2]], start="2026-01-01")
    with pytest.raises(InvalidValue, match=r"method must be one of .*, got 'pool'; did you mean 'pooled'"):
        table.average("pool")
    for level in (0, 1, 95):
        with pytest.raises(InvalidValue, match="level must be a fraction above 0 and below 1"):
            table.interval(level)


def test_arrays_of_a_table_cannot_be_written_to():
    table = cohorts.from_counts([[4, 2]], start="2026-01-01")
    for array in (table.retained, table.sizes, table.states):
        assert not array.flags.writeable


def test_customers_by_name_are_counted_in_their_own_cohort():
    """The triangle of A-COH-01 once more, from lists of users."""
    won, active = {}, {}
    for user, days in MONTHLY.items():
        months = [f"{day[:7]}-01" for day in days.split()]
        won.setdefault(min(months), []).append(user)
        for month in months:
            active.setdefault(month, []).append(user)
    table = cohorts.from_customers(won, active)
    assert table.labels == ["2021-12", "2022-01", "2022-02", "2022-03", "2022-04"]
    assert table.counts()[:4].tolist() == [
        pytest.approx(row, nan_ok=True) for row in nan_for_none([[2, 2, 2, 0, 1], [4, 4, 0, 1], [3, 2, 1], [1, 1]])
    ]
    assert table.sizes.tolist() == [2, 4, 3, 1, 0]


def test_who_breaks_the_numerator_is_named():
    won = {"2026-01-01": ["ann", "bob"], "2026-02-01": ["cleo"]}
    with pytest.raises(InvalidValue, match="active in 2026-01 without having been won by then: 'cleo'"):
        cohorts.from_customers(won, {"2026-01-01": ["ann", "cleo"]})
    strangers = [f"stranger {i}" for i in range(8)]
    with pytest.raises(InvalidValue, match="won by then: 'stranger 0', .*'stranger 4' and 3 more"):
        cohorts.from_customers(won, {"2026-02-01": strangers})
    with pytest.raises(InvalidValue, match="won in 2026-02 and before: 'ann'"):
        cohorts.from_customers(won | {"2026-02-01": ["ann"]}, {})
    with pytest.raises(InvalidValue, match="named by its first day, got 2026-01-05; the month opens on 2026-01-01"):
        cohorts.from_customers({"2026-01-05": ["ann"]}, {})
    with pytest.raises(InvalidValue, match="won must hold at least one customer"):
        cohorts.from_customers({"2026-01-01": []}, {})
    with pytest.raises(InvalidType, match="active must be a dict by name"):
        cohorts.from_customers(won, [])


def test_partial_cells_are_extrapolated_only_when_asked():
    """10 of 31 days into March 3 of 10 were back: 1 - 0.7 ** 3.1 by its end, if they go on coming as they did."""
    rows = [(f"c{i}", "2026-02-03") for i in range(10)] + [(f"c{i}", "2026-03-09") for i in range(3)]
    orders = [Order(who, at(day), 1.0) for who, day in rows] + [Order("new", at("2026-03-02"), 1.0)]
    log = Transactions(pa.table(columns(orders)), customer="customer", time="time")
    table = log.cohorts(as_of="2026-03-10")
    assert table.rates().tolist() == [pytest.approx([1, 0.3]), pytest.approx([1, math.nan], nan_ok=True)]
    assert table.rates(extrapolate=True)[0].tolist() == pytest.approx([1, 1 - 0.7**3.1])
    assert table.rates(extrapolate=True)[1, 0] == 1, "a cohort is not extrapolated, only its return"
    assert (table.states[:, 1] == ["partial", "unobserved"]).all()
    whole = log.cohorts(as_of="2026-03-31")
    assert (whole.rates(extrapolate=True)[0] == whole.rates()[0]).all(), "nothing is partial at the end of a month"
    weeks = log.cohorts(period="week", as_of="2026-03-10")
    assert weeks.rates(extrapolate=True)[0, 5] == pytest.approx(1 - 0.7 ** (7 / 2)), "Tuesday: two of seven days"
    for arguments in ({"counting": "on_or_after"}, {"window": "30d"}, {"brackets": [(0, 1)]}, {"min_events": 2}):
        with pytest.raises(UndefinedMetric, match="only cells of one calendar period"):
            log.cohorts(as_of="2026-03-10", **arguments).rates(extrapolate=True)


def test_two_cohorts_compared(reference):
    """The log-rank test on lifetimes written out one by one is the test on the rows of the table."""
    table = cohorts.from_counts([[20, 15, 9, 8], [30, 12, 6]], start="2026-01-01")
    first = [1] * 5 + [2] * 6 + [3] * 1 + [3] * 8
    second = [1] * 18 + [2] * 6 + [2] * 6
    by_hand = survival.logrank(
        {
            "2026-01": survival.kaplan_meier(first, [True] * 12 + [False] * 8),
            "2026-02": survival.kaplan_meier(second, [True] * 24 + [False] * 6),
        }
    )
    found = table.compare("2026-01", "2026-02")
    assert found.statistic == pytest.approx(by_hand.statistic, rel=1e-12)
    assert found.observed == by_hand.observed
    assert table.survivors("2026-01").at(2) == pytest.approx(9 / 20)
    assert table.compare("2026-01", "2026-02", ages=2).observed == {"2026-01": 5, "2026-02": 18}
    with pytest.raises(UndefinedMetric, match="cohort 2026-01 has more customers at age 2 than before: some came back"):
        cohorts.from_counts([[4, 1, 2], [3, 3]], start="2026-01-01").compare("2026-01", "2026-02")
    with pytest.raises(InvalidValue, match="cohort must be one of '2026-01', '2026-02'"):
        table.compare("2026-01", "2027-01")
    with pytest.raises(UndefinedMetric, match="cohort 2026-02 has no observed age after 0"):
        cohorts.from_counts([[4, 1], [3]], start="2026-01-01").survivors("2026-02")


def test_brackets_are_shown_by_name():
    table = cohorts.from_counts([[4, 2], [5]], start="2026-01-01")
    bracketed = dataclasses.replace(table, brackets=((0, 0), (1, 12)))
    assert bracketed.ages == ["0", "1-12"]
    assert bracketed.to_frame("polars")["age"].to_list() == ["0", "1-12", "0"]
    assert str(bracketed).splitlines()[0].split() == ["cohort", "size", "0", "1-12"]


# Where rules turn


@pytest.mark.parametrize("gap", [None, math.nan])
def test_a_gap_in_the_counts_is_not_a_zero(gap):
    table = cohorts.from_counts([[4, gap, 0], [3, 2], [5]], start="2026-01-01")
    np.testing.assert_array_equal(table.counts(), [[4, math.nan, 0], [3, 2, math.nan], [5, math.nan, math.nan]])
    assert table.states[0].tolist() == ["observed", "unobserved", "observed"]
    assert table.average().tolist() == [1, 2 / 3, 0]


def test_lists_of_customers_end_with_the_last_month_named():
    table = cohorts.from_customers({"2021-12-01": ["ann"]}, {"2021-12-01": ["ann"], "2022-02-01": ["ann"]})
    assert table.as_of == dt.date(2022, 2, 28)
    assert table.counts()[0].tolist() == [1, 0, 1]
    assert cohorts.from_customers({"2024-02-01": ["ann"]}, {}).as_of == dt.date(2024, 2, 29)
    five = [f"stranger {i}" for i in range(5)]
    with pytest.raises(InvalidValue, match="'stranger 3', 'stranger 4'$"):
        cohorts.from_customers({"2026-01-01": ["ann"]}, {"2026-02-01": five})


@pytest.mark.parametrize(
    ("seconds", "as_of", "state"),
    [
        (False, "2026-01-07", "observed"),  # days 1 to 7 are over
        (False, "2026-01-06", "partial"),
        (True, "2026-01-08", "observed"),  # seven days from some time of the 1st are over by the end of the 8th
        (True, "2026-01-07", "partial"),
    ],
)
def test_seven_days_from_a_day_end_before_seven_days_from_a_time(seconds, as_of, state):
    """In days the window is the first day and the six that follow; in times it runs into the eighth."""
    first = dt.datetime(2026, 1, 1, 15) if seconds else dt.date(2026, 1, 1)
    log = Transactions(pa.table({"who": ["ann"], "day": [first]}), customer="who", time="day")
    assert log.cohorts(period="day", as_of=as_of, window="7d").states[0, 0] == state


def test_a_window_opens_with_its_first_day():
    log = Transactions(pa.table({"who": ["ann"], "day": [dt.date(2026, 1, 1)]}), customer="who", time="day")
    assert log.cohorts(period="day", as_of="2026-01-08", window="7d").states[0].tolist() == ["observed", "partial"]


def test_a_cohort_that_loses_nobody_for_a_while_survives():
    table = cohorts.from_counts([[4, 4, 2, 2], [3, 3]], start="2026-01-01")
    curve = table.survivors("2026-01")
    assert [curve.at(age) for age in (1, 2, 3)] == [1, 0.5, 0.5]
    assert table.survivors("2026-02").at(1) == 1
    risen = cohorts.from_counts([[4, 2, 3]], start="2026-01-01")
    with pytest.raises(UndefinedMetric, match="cohort 2026-01 has more customers at age 2 than before"):
        risen.survivors("2026-01")


def test_a_partial_week_that_opens_on_sunday_is_extrapolated_by_its_own_days():
    """Five of seven days in, one of two is back: 1 - 0.5 ** (7 / 5) by the end."""
    days = [dt.date(2026, 3, 1), dt.date(2026, 3, 3), dt.date(2026, 3, 9)]  # the 1st is a Sunday
    frame = pa.table({"who": ["ann", "bob", "ann"], "day": days})
    log = Transactions(frame, customer="who", time="day", week_start="sunday")
    table = log.cohorts(period="week", as_of="2026-03-12")
    assert table.states[0].tolist() == ["observed", "partial"]
    assert table.rates(extrapolate=True)[0].tolist() == pytest.approx([1, 1 - 0.5 ** (7 / 5)])


def test_wide_names_of_ages_have_room():
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=31 * n) for n in range(40)]
    log = Transactions(pa.table({"who": ["ann"] * 40, "day": days}), customer="who", time="day")
    table = log.cohorts(as_of="2023-12-31", brackets=[(0, 0), (1, 9), (10, 99)])
    header, row, *_ = str(table).splitlines()
    assert len(header) == len(row.rstrip("*")) + row.endswith("*")
    assert header.split() == ["cohort", "size", "0", "1-9", "10-99"]
