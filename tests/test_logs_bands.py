"""Customers in bands of what they bring, and customers who come less often than they did."""

import datetime as dt
import math
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.errors import InvalidValue
from retention_metrics.logs import Transactions, _bands
from tests import oracles
from tests.oracles import Order, at, columns, nasty_log, openings

AS_OF = dt.date(2024, 3, 31)
ORDERS = nasty_log([f"client {number:02}" for number in range(24)])
NAMES = {"customer": "customer", "time": "time", "amount": "amount"}

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")


def arpu(orders, period):
    """Amount by customer over the periods from the first purchase on, both ends counted."""
    table = {}
    for customer, by_day in oracles.spent(orders, AS_OF).items():
        table[customer] = math.fsum(by_day.values()) / len(openings(min(by_day), AS_OF, period))
    return table


@pytest.mark.parametrize("period", ["month", "week"])
def test_bands_of_fixed_edges(engine, period):
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES)
    rows = engine.rows(log.arpu_bands(as_of=AS_OF, period=period, edges=[0, 2.5, 1000]))
    expected = arpu(ORDERS, period)
    assert {row["customer"]: row["arpu"] for row in rows} == pytest.approx(expected, abs=1e-6)
    names = ["1: up to 0", "2: over 0 to 2.50", "3: over 2.50 to 1,000", "4: over 1,000"]
    place = {who: sum(value > edge for edge in (0, 2.5, 1000)) for who, value in expected.items()}
    assert {row["customer"]: row["band"] for row in rows} == {who: names[i] for who, i in place.items()}
    assert len(set(place.values())) >= 3, "the log fills several bands"


def test_bands_of_equal_numbers(engine):
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES)
    rows = engine.rows(log.arpu_bands(as_of=AS_OF, bands=4))
    members = defaultdict(list)
    for row in rows:
        members[row["band"]].append(row["arpu"])
    ranked = sorted(row["arpu"] for row in rows)
    limits = [-math.inf, *(ranked[math.ceil(len(ranked) * i / 4) - 1] for i in (1, 2, 3)), math.inf]
    assert [sorted(members[name]) for name in sorted(members)] == [
        [value for value in ranked if low < value <= high] for low, high in pairwise(limits)
    ]


def test_bands_where_many_bring_the_same():
    """Seven of ten bring 5: two of the three quartiles fall together, and nobody is above the highest."""
    paid = [5.0] * 7 + [9.0, 9.0, 9.0]
    orders = [Order(f"c{i}", at("2024-03-05"), amount) for i, amount in enumerate(paid)]
    frame = pl.DataFrame(orders, schema=["customer", "time", "amount"], orient="row")
    rows = Transactions(frame, **NAMES).arpu_bands(as_of=AS_OF, bands=4)
    assert rows.group_by("band").len().sort("band").rows() == [("1: up to 5", 7), ("2: over 5", 3)]
    alike = Transactions(frame.with_columns(amount=3.0), **NAMES).arpu_bands(as_of=AS_OF, bands=2)
    assert alike["band"].unique().to_list() == ["1: all"]


amounts = st.sampled_from([0.0, 0.25, 1.0, 3.5, 1e3, 1e6, -2.0]) | st.floats(-10, 10).map(lambda value: round(value, 6))


@given(st.lists(amounts, min_size=1, max_size=60), st.integers(2, 7), st.integers(1, 5))
def test_ranks_found_by_counting(values, bands, few):
    """Narrowed down bin by bin, the limits are those of sorting everything: numpy's inverted_cdf."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(pl.DataFrame({"value": values})).lazy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_bands, "_FEW", few)
        found = _bands._quantiles(frame, bands)
    shares = np.arange(1, bands) / bands
    ranked = np.sort(values)
    expected = {float(ranked[math.ceil(Fraction(len(values) * i, bands)) - 1]) for i in range(1, bands)}
    assert shares.size == bands - 1
    assert found == sorted(expected - {max(values)})


def test_what_bands_cannot_be():
    frame = pl.DataFrame({"customer": ["ann"], "time": [dt.date(2024, 3, 1)], "amount": [1.0]})
    log = Transactions(frame, **NAMES)
    for arguments, message in (
        ({}, "give either bands .* or edges"),
        ({"bands": 3, "edges": [1]}, "give either bands"),
        ({"bands": 1}, "bands must be a whole number >= 2, got int 1"),
        ({"edges": [3, 1]}, "edges must be numbers in rising order"),
        ({"edges": []}, "edges must be numbers in rising order"),
        ({"edges": [math.nan]}, "edges must be a finite number"),
    ):
        with pytest.raises(InvalidValue, match=message):
            log.arpu_bands(as_of=AS_OF, **arguments)
    with pytest.raises(InvalidValue, match="arpu_bands needs the amounts of the log"):
        Transactions(frame, customer="customer", time="time").arpu_bands(as_of=AS_OF, bands=2)


def fallen(orders, window, drop, level):
    """The binomial tail in exact fractions, customer by customer."""
    found = {}
    for customer, by_day in oracles.spent(orders, AS_OF).items():
        days = sorted(by_day)
        opens = AS_OF - dt.timedelta(days=window)
        recent = sum(day > opens for day in days)
        earlier, past = len(days) - recent - 1, (opens - days[0]).days
        if earlier < 1 or past < 1 or days[-1] <= opens - dt.timedelta(days=window):
            continue
        usual = Fraction(earlier * window, past)
        share, events = Fraction(window, window + past), earlier + recent
        tail = sum(math.comb(events, k) * share**k * (1 - share) ** (events - k) for k in range(recent + 1))
        if 1 - recent / usual >= Fraction(str(drop)) and tail <= 1 - level:
            found[customer] = (days[-1], recent, float(usual), float(1 - recent / usual), float(tail))
    return found


@pytest.mark.parametrize(("window", "drop", "level"), [(30, 0.5, 0.8), (14, 0.25, 0.3), (60, 0.1, 0.05)])
def test_falling_off(engine, window, drop, level):
    log = Transactions(engine.frame(**columns(ORDERS)), **NAMES)
    rows = engine.rows(log.falling_off(as_of=AS_OF, window=window, drop=drop, level=level))
    expected = fallen(ORDERS, window, drop, level)
    assert expected, "the log has customers who fall off"
    names = ["last_purchase", "recent", "usual", "drop", "p_value"]
    assert [list(row) for row in rows] == [["customer", *names]] * len(rows)
    assert {row["customer"]: tuple(row[name] for name in names) for row in rows} == {
        who: (last, recent, *(pytest.approx(value, rel=1e-9) for value in rest))
        for who, (last, recent, *rest) in expected.items()
    }


def test_long_sums_are_exact():
    """Daily for a year, then every fourth day of the last year: 92 visits in 366 days, terms up to k = 182."""
    start = AS_OF - dt.timedelta(days=731)
    days = [start + dt.timedelta(days=i) for i in range(366)]
    days += [start + dt.timedelta(days=i) for i in range(366, 732, 4)]
    orders = [Order("ann", dt.datetime.combine(day, dt.time()), 1.0) for day in days]
    frame = pl.DataFrame(orders, schema=["customer", "time", "amount"], orient="row")
    row = Transactions(frame, **NAMES).falling_off(as_of=AS_OF, window=366, drop=0.5).row(0, named=True)
    (_, recent, usual, drop, tail) = fallen(orders, 366, 0.5, 0.95)["ann"]
    assert (row["recent"], row["usual"], row["drop"]) == (recent, pytest.approx(usual), pytest.approx(drop))
    assert row["p_value"] == pytest.approx(tail, rel=1e-9)


def test_who_has_not_changed_is_rarely_listed():
    """Of 4,000 customers with a steady rhythm no more than about one in twenty is on the list."""
    rng = np.random.default_rng(7)
    visits = rng.random((4_000, 400)) < rng.uniform(0.02, 0.3, 4_000)[:, None]
    visits[:, 0] = True
    who, day = np.nonzero(visits)
    time = np.datetime64(AS_OF - dt.timedelta(days=399)) + day.astype("timedelta64[D]")
    frame = pl.DataFrame({"customer": who, "time": time.astype("datetime64[us]")})
    log = Transactions(frame, customer="customer", time="time")
    listed = log.falling_off(as_of=AS_OF, window=40, drop=0.01, level=0.95)
    assert 0.005 < listed.height / 4_000 < 0.05


def test_what_falling_off_cannot_be():
    frame = pl.DataFrame({"customer": ["ann"], "time": [dt.date(2024, 3, 1)]})
    log = Transactions(frame, customer="customer", time="time")
    for arguments, message in (
        ({"window": 0}, "window must be a whole number >= 1, got int 0"),
        ({"window": 367}, "window must be at most 366 days, got 367"),
        ({"drop": 0}, "drop must be a fraction above 0 to 1"),
        ({"level": 1}, "level must be a fraction above 0 and below 1"),
    ):
        with pytest.raises(InvalidValue, match=message):
            log.falling_off(as_of=AS_OF, **arguments)


def test_a_drop_that_is_met_exactly_counts_all_the_purchases_it_allows():
    # Daily for 13 days: ten of twelve before the window, two in it. P(at most 2 of 12 fair coins) = 79 / 4096.
    day = dt.date(2026, 1, 1)
    log = pl.DataFrame({"who": ["ann"] * 13, "day": [day + dt.timedelta(days=i) for i in range(13)]})
    asked = Transactions(log, customer="who", time="day")
    as_of = day + dt.timedelta(days=20)
    (row,) = asked.falling_off(as_of=as_of, window=10, drop=0.8, level=0.95).rows(named=True)
    assert row["p_value"] == pytest.approx(79 / 4096, rel=1e-12)
    assert asked.falling_off(as_of=as_of, window=10, drop=0.8, level=0.99).is_empty()
