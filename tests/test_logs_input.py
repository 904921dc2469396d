"""What a log refuses, leaves out and counts: each with a message that names the thing, the rule and the remedy."""

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest

from retention_metrics.errors import (
    InvalidRows,
    InvalidType,
    InvalidValue,
    MissingColumn,
    RowsExcludedWarning,
)
from retention_metrics.logs import Transactions
from tests.oracles import at

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning")

COLUMNS = {"customer": "client", "time": "paid_at", "amount": "paid"}
JANUARY = [at("2026-01-05T10:00"), at("2026-01-05T18:00"), at("2026-01-20T09:00")]


def table(*, client=("ann", "ann", "bob"), paid_at=JANUARY, paid=(30.0, -30.0, 25.0)):
    times = pa.array(paid_at, pa.timestamp("us")) if isinstance(paid_at, list) else paid_at
    return {"client": pa.array(client), "paid_at": times, "paid": pa.array(paid)}


def polars_log(**options):
    pl = pytest.importorskip("polars")
    return Transactions(pl.from_arrow(pa.table(table())), **COLUMNS | options)


# --- rows


def test_unusable_rows_are_counted_by_reason(engine):
    """One row of each kind; who is missing twice over is counted once, under the first reason."""
    good, late = at("2026-01-05"), at("2026-02-01")
    rows = [
        ("ann", good, 10.0),
        (None, good, 10.0),
        (None, None, None),
        ("bob", None, 10.0),
        ("bob", good, None),
        ("bob", good, math.nan),
        ("bob", good, math.inf),
        ("bob", late, -math.inf),
        ("bob", late, 10.0),
    ]
    client, paid_at, paid = map(list, zip(*rows, strict=True))
    frame = engine.frame(**table(client=client, paid_at=paid_at, paid=paid))
    invalid = {"null customer": 2, "null time": 1, "amount missing or not finite": 4}

    with pytest.raises(InvalidRows, match="7 of 9 rows of the log cannot be used") as refusal:
        Transactions(frame, **COLUMNS).cohorts(as_of="2026-01-31")
    assert refusal.value.counts == invalid
    assert "4 amount missing or not finite, 2 null customer, 1 null time" in str(refusal.value)
    assert 'pass on_invalid="exclude" to leave them out' in str(refusal.value)

    log = Transactions(frame, **COLUMNS, on_invalid="exclude")
    found = log.summary(as_of="2026-01-31")
    assert found.excluded == {**invalid, "after as_of": 1}
    assert (found.customers, found.orders, found.revenue) == (1, 1, 10.0)
    assert log.cohorts(as_of="2026-01-31").excluded == found.excluded
    with pytest.warns(RowsExcludedWarning, match=r"rfm leaves out 8 rows of the log: 4 amount .*, 1 after as_of"):
        rows = engine.rows(log.rfm(as_of="2026-01-31"))
    assert rows == [{"customer": "ann", "frequency": 0, "recency": 0, "T": 26, "monetary_value": None}]


def test_the_warning_points_to_the_caller():
    log = polars_log()
    for ask in (lambda: log.rfm(as_of="2026-01-10"), lambda: log.status(as_of="2026-01-10", lost_after=1)):
        with pytest.warns(RowsExcludedWarning, match="leaves out 1 rows of the log: 1 after as_of") as caught:
            ask()
        assert caught[0].filename == __file__


def test_an_empty_log(engine):
    nothing = {"client": pa.array([], pa.string()), "paid_at": pa.array([], pa.timestamp("us"))}
    log = Transactions(engine.frame(**nothing), customer="client", time="paid_at")
    with pytest.raises(InvalidValue, match="the log is empty"):
        log.summary(as_of="2026-01-31")


def test_as_of_before_the_first_purchase(engine):
    log = Transactions(engine.frame(**table()), **COLUMNS)
    message = "no usable row up to as_of 2025-12-31: of 3 rows, 3 after as_of"
    with pytest.raises(InvalidValue, match=message):
        log.rfm(as_of="2025-12-31")


def test_nothing_but_unusable_rows():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"client": ["ann"], "paid_at": JANUARY[:1], "paid": [math.nan]})
    with pytest.raises(InvalidValue, match="no usable row .*: of 1 rows, 1 amount missing or not finite"):
        Transactions(frame, **COLUMNS, on_invalid="exclude").summary(as_of="2026-01-31")


def test_refunds_net_with_their_day(engine):
    """Ann's refund takes the money of her day and leaves the day; the totals of money are net."""
    log = Transactions(engine.frame(**table()), **COLUMNS)
    found = log.summary(as_of="2026-01-31")
    assert (found.revenue, found.orders) == (25.0, 3)
    only_refunds = Transactions(engine.frame(**table(paid=[30.0, -40.0, -25.0])), **COLUMNS)
    assert only_refunds.summary(as_of="2026-01-31").revenue == -35.0


# --- columns


def test_a_missing_column(engine):
    frame = engine.frame(**table())
    for role, near in (("customer", "clinet"), ("time", "paidat"), ("amount", "pad")):
        message = f"{role} column '{near}' is not in the frame; the nearest is '{COLUMNS[role]}'"
        with pytest.raises(MissingColumn, match=message):
            Transactions(frame, **COLUMNS | {role: near})


def test_columns_that_have_numbers_for_names():
    """As pandas gives them to a table without a header."""
    pd = pytest.importorskip("pandas")
    with pytest.raises(MissingColumn, match="customer column 'client' is not in the frame"):
        Transactions(pd.DataFrame({0: ["ann"], 1: JANUARY[:1]}), customer="client", time="paid_at")


def test_text_times(engine):
    frame = engine.frame(**table(paid_at=pa.array(["2026-01-05", "2026-01-06", "2026-01-07"])))
    with pytest.raises(InvalidType, match=r"time column 'paid_at' holds String, .*; parse it first"):
        Transactions(frame, **COLUMNS)


@pytest.mark.parametrize("paid", [["1", "2", "3"], [True, False, True]], ids=["text", "yes and no"])
def test_amounts_that_are_no_numbers(engine, paid):
    with pytest.raises(InvalidType, match=r"amount column 'paid' holds \w+, not numbers; convert it to floats"):
        Transactions(engine.frame(**table(paid=paid)), **COLUMNS)


def test_decimal_amounts(engine):
    """0.10 + 0.20 + 0.30, as money is stored; numpy has no decimals, so pandas and Dask refuse the objects."""
    frame = engine.frame(**table(paid=[Decimal("0.10"), Decimal("0.20"), Decimal("0.30")]))
    if engine.name in {"pandas", "dask"}:
        with pytest.raises(InvalidType, match="amount column 'paid' holds .*, not numbers; convert it to floats"):
            Transactions(frame, **COLUMNS)
        return
    log = Transactions(frame, **COLUMNS)
    assert log.summary(as_of="2026-01-31").revenue == pytest.approx(0.6, rel=1e-12)
    assert log.retention_by_period(as_of="2026-01-31", lost_after=5).revenue.tolist() == [pytest.approx(0.6)]


def test_whole_amounts(engine):
    """Integers are money too: the first day has two orders, the repeat purchase is 3."""
    frame = engine.frame(**table(client=["ann"] * 3, paid=[7, 8, 3]))
    found = engine.rows(Transactions(frame, **COLUMNS).rfm(as_of="2026-01-31"))
    assert found == [{"customer": "ann", "frequency": 1, "recency": 15, "T": 26, "monetary_value": 3.0}]


def test_ids_that_are_neither_text_nor_whole(engine):
    for client in ([True, False, True], JANUARY):
        with pytest.raises(InvalidType, match=r"customer column 'client' holds \w+.*; ids must be strings or integers"):
            Transactions(engine.frame(**table(client=client)), **COLUMNS)


def test_categorical_ids(engine):
    client = pa.array(["ann", "ann", "bob"]).dictionary_encode()
    log = Transactions(engine.frame(**table() | {"client": client}), **COLUMNS)
    assert log.summary(as_of="2026-01-31").customers == 2
    assert [row["frequency"] for row in engine.rows(log.rfm(as_of="2026-01-31"))] == [0, 0]
    with pytest.raises(InvalidValue, match="no customer has bought on a second day"):
        log.purchase_cycle(as_of="2026-01-31")


def test_names_of_columns_do_not_matter(engine):
    """A frame whose columns bear the names that the answers use, crosswise."""
    frame = engine.frame(time=pa.array(["ann", "ann", "bob"]), amount=pa.array(JANUARY), customer=pa.array([1, 2, 3.0]))
    log = Transactions(frame, customer="time", time="amount", amount="customer")
    assert log.summary(as_of="2026-01-31").revenue == 6
    assert [row["customer"] for row in engine.rows(log.rfm(as_of="2026-01-31"))] == ["ann", "bob"]


# --- ids that pandas has made floats of


def test_float_ids_with_gaps():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"client": [7, 7, None, 8], "paid_at": pd.to_datetime(["2026-01-05"] * 4)})
    assert frame["client"].dtype == "float64"
    log = Transactions(frame, customer="client", time="paid_at", on_invalid="exclude")
    found = log.summary(as_of="2026-01-31")
    assert (found.customers, found.orders, found.excluded) == (2, 3, {"null customer": 1})


def test_float_ids_that_may_have_been_two_customers():
    """2**53 and 2**53 + 1 are the same float: neither can be trusted."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"client": [2**53, 2**53 + 1, None], "paid_at": pd.to_datetime(["2026-01-05"] * 3)})
    assert frame["client"].nunique() == 1
    log = Transactions(frame, customer="client", time="paid_at")
    with pytest.raises(InvalidRows, match="2 customer id not exact as a float"):
        log.summary(as_of="2026-01-31")


def test_fractions_are_no_ids():
    """Whole floats are accepted, says the docstring; 1.5 is not one."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"client": [1.0, 1.5], "paid_at": JANUARY[:2]})
    with pytest.raises(InvalidRows, match="1 customer id"):
        Transactions(frame, customer="client", time="paid_at").summary(as_of="2026-01-31")


# --- arguments


@pytest.mark.parametrize(
    ("as_of", "error", "message"),
    [
        (20261031, InvalidType, "as_of must be a datetime.date or a string like '2026-10-31', got int 20261031"),
        (None, InvalidType, "as_of must be a datetime.date"),
        ("31.10.2026", InvalidValue, "as_of must be a day like '2026-10-31', got '31.10.2026'"),
        ("2026-02-30", InvalidValue, "as_of must be a day like"),
        (at("2026-10-31T12:00"), InvalidValue, r"as_of must be a whole day, .*; pass \.date\(\) of it"),
        (at("2026-10-31T00:00+00:00"), InvalidValue, "as_of must be a whole day"),
    ],
    ids=str,
)
def test_as_of(as_of, error, message):
    log = polars_log()
    for ask in (
        log.summary,
        log.rfm,
        log.cohorts,
        log.purchase_cycle,
        log.repeat_purchase_rate,
        lambda as_of: log.status(as_of=as_of, lost_after=1),
        lambda as_of: log.retention_by_period(as_of=as_of, lost_after=1),
    ):
        with pytest.raises(error, match=message):
            ask(as_of=as_of)


def test_days_are_dates_texts_and_midnights():
    log = polars_log()
    answers = [log.summary(as_of=day) for day in (dt.date(2026, 1, 31), "2026-01-31", at("2026-01-31"))]
    assert answers[0] == answers[1] == answers[2]


def test_the_last_day_of_the_calendar_is_a_day():
    assert polars_log().summary(as_of=dt.date.max).customers == 2


@pytest.mark.parametrize(
    ("question", "arguments", "message"),
    [
        ("rfm", {"unit": "days"}, "unit must be one of .*, got 'days'; did you mean 'day'"),
        ("cohorts", {"period": "weeks"}, "period must be one of .*; did you mean 'week'"),
        ("cohorts", {"period": 7}, "period must be one of .*, got 7"),
        ("cohorts", {"anchor": "frist"}, "anchor must be one of 'first', 'every', got 'frist'; did you mean 'first'"),
        ("cohorts", {"counting": "on or after"}, "counting must be one of .* did you mean 'on_or_after'"),
        ("cohorts", {"min_events": 0}, "min_events must be a whole number >= 1, got int 0"),
        ("cohorts", {"min_events": 1.5}, "min_events must be a whole number >= 1, got float 1.5"),
        ("cohorts", {"start": "2027-01-01"}, "no cohort from start 2027-01-01 on"),
        ("cohorts", {"start": "soon"}, "start must be a day like '2026-10-31', got 'soon'"),
        ("status", {"lost_after": 9, "at_risk_after": 9}, "at_risk_after must be below lost_after, got 9 and 9"),
        ("status", {"lost_after": 9, "at_risk_after": 10}, "at_risk_after must be below lost_after, got 10 and 9"),
        ("status", {"lost_after": -1}, "lost_after must be a whole number >= 0, got int -1"),
        ("status_counts", {"lost_after": 9, "at_risk_after": 9}, "at_risk_after must be below lost_after"),
        ("repeat_purchase_rate", {"min_age": -1}, "min_age must be a whole number >= 0"),
        ("retention_by_period", {"period": "mnth", "lost_after": 9}, "period must be one of .* did you mean 'month'"),
        ("retention_by_period", {"lost_after": 0.5}, "lost_after must be a whole number >= 0, got float 0.5"),
    ],
)
def test_arguments_of_questions(question, arguments, message):
    with pytest.raises(InvalidValue, match=message):
        getattr(polars_log(), question)(as_of="2026-01-31", **arguments)


def test_a_yes_is_no_number():
    with pytest.raises(InvalidType, match="min_events must be a number.*got bool True; write 0 or 1"):
        polars_log().cohorts(as_of="2026-01-31", min_events=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"week_start": "mondey"}, "week_start must be one of 'monday', 'sunday', got 'mondey'; did you mean 'monday'"),
        ({"on_invalid": "drop"}, "on_invalid must be one of 'raise', 'exclude', got 'drop'"),
    ],
)
def test_options_of_a_log(options, message):
    with pytest.raises(InvalidValue, match=message):
        polars_log(**options)


@pytest.mark.parametrize("frame", [[1, 2], {"client": ["ann"]}, "orders.csv", None], ids=str)
def test_what_is_no_frame(frame):
    message = f"frame must be a pandas, Polars, .* table, got builtins.{type(frame).__name__}"
    with pytest.raises(InvalidType, match=message):
        Transactions(frame, **COLUMNS)


def test_a_table_too_large():
    """From 1 January 1900 to 2026 there are more than 46,000 days: no grid for them."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"client": ["ann", "bob"], "paid_at": [dt.date(1900, 1, 1), dt.date(2026, 1, 1)]})
    log = Transactions(frame, customer="client", time="paid_at")
    with pytest.raises(
        InvalidValue, match="46,022 days from 1900-01-01 on; .* choose a longer period, or a later start"
    ):
        log.cohorts(period="day", as_of="2026-01-01")
    assert log.cohorts(period="day", as_of="2026-01-01", start="2026-01-01").sizes.tolist() == [1]
    assert log.cohorts(period="year", as_of="2026-12-31").sizes.tolist() == [1, 1]
