"""The ledger of a log of prepaid packages, on every engine: the ledger of the same events one by one."""

import datetime as dt
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from retention_metrics import prepaid
from retention_metrics.errors import InvalidType, InvalidValue, MissingColumn
from retention_metrics.logs import PrepaidEvents

PLANS = [
    prepaid.PackagePlan(id="ten", price=1_500_000, sessions=10),
    prepaid.PackagePlan(id="five", price=70_001, sessions=5),
]
# kind, day, package, client, plan, money
EVENTS = [
    ("sale", "2024-01-10", 1, "ann", "ten", None),
    ("visit", "2024-01-15", 1, "ann", None, None),
    ("sale", "2024-02-01", 2, "bob", "five", 30_000),
    ("instalment", "2024-02-20", 2, None, None, 40_001),
    ("visit", "2024-02-21", None, "bob", None, None),
    ("visit", "2024-07-15", 1, "ann", None, None),
    ("refund", "2024-08-01", 2, "bob", None, None),
]
NAMES = {"package": "card", "customer": "client", "plan": "tariff", "amount": "cents"}


def frame_of(engine, events=EVENTS, **more):
    kind, day, card, client, tariff, cents = zip(*events, strict=True)
    frame = engine.frame(
        what=list(kind),
        at=pa.array([dt.datetime.fromisoformat(each) + dt.timedelta(hours=13) for each in day], pa.timestamp("us")),
        card=pa.array(card, pa.int64()),
        client=pa.array(client, pa.string()),
        tariff=pa.array(tariff, pa.string()),
        cents=pa.array(cents, pa.int64()),
        **more,
    )
    return frame.astype({"cents": "Int64"}) if engine.name in {"pandas", "dask"} else frame


def one_by_one(events=EVENTS):
    fields = ("kind", "date", "package", "customer", "plan", "amount")
    rows = [dict(zip(fields, event, strict=True)) for event in events]
    known = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return [row | {"kind": {"sale": "purchase"}.get(row["kind"], row["kind"])} for row in known]


def test_the_ledger_of_a_frame_is_that_of_its_events(engine):
    events = PrepaidEvents(frame_of(engine), kind="what", date="at", kinds={"sale": "purchase"}, **NAMES)
    found = events.ledger(PLANS, as_of="2024-12-31")
    expected = prepaid.Ledger.from_events(one_by_one(), PLANS, as_of="2024-12-31")
    assert found.roll_forward().to_dict() == expected.roll_forward().to_dict()
    assert found.packages().to_dict() == expected.packages().to_dict()
    # By hand: eight of ten sessions at 150,000, and nothing of the package that was given back.
    assert found.liability() == expected.liability() == 8 * 150_000
    assert found.at("2024-03-31").liability() == 9 * 150_000 + 70_001 - 14_000


def test_events_that_cannot_be_booked_are_listed(engine):
    events = [*EVENTS, ("visit", "2024-09-01", 9, "eve", None, None)]
    log = PrepaidEvents(frame_of(engine, events), kind="what", date="at", kinds={"sale": "purchase"}, **NAMES)
    with pytest.raises(prepaid.InvalidEvents):
        log.ledger(PLANS, as_of="2024-12-31")
    ledger, issues = log.ledger(PLANS, as_of="2024-12-31", on_error="collect")
    assert ledger.liability() == 8 * 150_000
    assert len(issues) == 1


def test_what_is_refused(engine):
    frame = frame_of(engine)
    with pytest.raises(MissingColumn, match="package column 'cart' is not in the frame; the nearest is 'card'"):
        PrepaidEvents(frame, kind="what", date="at", package="cart")
    with pytest.raises(InvalidValue, match="there is no field 'pack' of an event; the fields are amount, "):
        PrepaidEvents(frame, kind="what", date="at", pack="card")
    with pytest.raises(InvalidType, match="amount column holds String, not whole numbers"):
        PrepaidEvents(frame, kind="what", date="at", package="card", customer="client", amount="tariff").ledger(
            PLANS, as_of="2024-12-31"
        )
    with pytest.raises(InvalidValue, match="day_start must be a whole hour from 0 to 23, got 25"):
        PrepaidEvents(frame, kind="what", date="at", day_start=25)


def test_events_without_a_place_in_the_day_stand_at_zero(engine):
    # A visit at -1 comes before a sale of the same day; a sale without a number does not come before it.
    rows = [("sale", "2024-01-10", 1, "ann", "ten", None), ("visit", "2024-01-10", 1, "ann", None, None)]
    for places, fits in (([None, -1], False), ([None, 1], True), ([-1, None], True)):
        numbered = frame_of(engine, rows, place=pa.array(places, pa.int64()))
        log = PrepaidEvents(numbered, kind="what", date="at", kinds={"sale": "purchase"}, seq="place", **NAMES)
        assert (not log.ledger(PLANS, as_of="2024-12-31", on_error="collect")[1]) is fits


def test_numbers_that_are_no_whole_numbers_are_refused(engine):
    def refused(role, values, kind):
        frame = engine.frame(
            what=["sale", "visit"],
            at=[dt.datetime(2024, 1, 1)] * 2,
            card=[1, 1],
            client=["a", "a"],
            given=pa.array(values, kind),
        )
        log = PrepaidEvents(frame, kind="what", date="at", package="card", customer="client", **{role: "given"})
        with pytest.raises(InvalidType, match=f"{role} (must hold|column holds .*, not) whole numbers") as refusal:
            log.ledger(PLANS, as_of="2024-12-31")
        return str(refusal.value)

    for value in (float("inf"), 1e19, 10.5, 15000.0):
        assert "prepaid.to_minor() makes minor units" in refused("amount", [value, None], pa.float64())
    for value in (float("inf"), 1e19, 10.5):
        assert "to_minor" not in refused("sessions", [value, None], pa.float64())
    for amount in ("15000.50", "15000.00"):
        assert "to_minor" in refused("price", [Decimal(amount), None], pa.decimal128(10, 2))


def test_a_column_without_any_value_is_as_good_as_none(engine):
    frame = frame_of(
        engine, nothing=pa.array([None] * len(EVENTS), pa.int64()), no_name=pa.array([None] * len(EVENTS), pa.string())
    )
    log = PrepaidEvents(
        frame,
        kind="what",
        date="at",
        kinds={"sale": "purchase"},
        sessions="nothing",
        segment="no_name",
        to="nothing",
        **NAMES,
    )
    assert log.ledger(PLANS, as_of="2024-12-31").liability() == 8 * 150_000
    assert log.liability(PLANS, as_of="2024-12-31") == 8 * 150_000


def test_floats_that_are_not_numbers_are_refused():
    frame = pl.DataFrame({"what": ["sale"], "at": [dt.date(2024, 1, 1)], "card": [1], "sold": [float("nan")]})
    with pytest.raises(InvalidType, match="sessions must hold whole numbers, got nan in row 0"):
        PrepaidEvents(frame, kind="what", date="at", package="card", sessions="sold").ledger(PLANS, as_of="2024-12-31")
    with pytest.raises(InvalidType, match="amount column holds Float64, not whole numbers; prepaid.to_minor"):
        PrepaidEvents(frame, kind="what", date="at", package="card", amount="sold").ledger(PLANS, as_of="2024-12-31")


def test_rules_are_read_whether_or_not_a_ledger_is_needed(engine):
    rows = [("sale", "2024-01-10", 1, "ann", "ten", None), ("visit", "2024-01-15", 1, "ann", None, None)]
    log = PrepaidEvents(frame_of(engine, rows), kind="what", date="at", kinds={"sale": "purchase"}, **NAMES)
    for ask in (log.ledger, log.liability, log.roll_forward, log.dormant):
        for rules, message in (
            (
                {"grace_day": 14},
                "there is no rule 'grace_day'; the rules are allow_excess, closed_until, dedupe, grace",
            ),
            ({"tz": "UTC"}, "there is no rule 'tz'"),
            ({"grace_days": -59}, "grace_days must be"),
            ({"grace_days": 2**70}, "grace_days must be at most 36,525, got 1,180,591,620,717,411,303,424"),
            ({"unpaid": "x"}, "unpaid must be"),
            ({"reconcile": True}, "reconcile needs unpaid"),
        ):
            with pytest.raises(InvalidValue, match=message):
                ask(PLANS, as_of="2024-12-31", **rules)
        for days in (0.5, None, "14"):
            with pytest.raises((InvalidType, InvalidValue), match="grace_days must be"):
                ask(PLANS, as_of="2024-12-31", grace_days=days)
    with pytest.raises(InvalidValue, match="no rule 'on_error'.*; ask the ledger\\(\\) for the issues of events"):
        log.liability(PLANS, as_of="2024-12-31", on_error="collect")
    with pytest.raises(InvalidValue, match="by='segment' needs the column of segments; name it with segment="):
        log.roll_forward(PLANS, as_of="2024-12-31", by="segment")


def test_words_for_kinds_are_a_dictionary():
    frame = pl.DataFrame({"kind": ["purchase"], "date": [dt.date(2024, 1, 1)]})
    with pytest.raises(InvalidType, match="kinds must be a dict by name, got list"):
        PrepaidEvents(frame, kind="kind", date="date", kinds=["purchase"])


def test_days_beside_times_with_a_zone_need_none():
    sold = dt.datetime(2024, 1, 9, 22, 30, tzinfo=dt.UTC)  # half past one of the 10th in Moscow
    frame = pl.DataFrame(
        {"kind": ["purchase"], "date": [sold], "package": [1], "customer": ["a"], "plan": ["t"]}
        | {"expires": [dt.date(2024, 3, 1)]}
    )
    plan = prepaid.PackagePlan(id="t", price=900, sessions=3, validity_days=10, expiry="forfeit")
    names = {name: name for name in frame.columns}
    packages = PrepaidEvents(frame, tz="Europe/Moscow", **names).ledger([plan], as_of="2024-01-31").packages()
    assert (str(packages.sold[0]), str(packages.expires[0])) == (
        str(dt.date(2024, 1, 10).toordinal()),
        str(dt.date(2024, 3, 1).toordinal()),
    )
    with pytest.raises(InvalidValue, match="pass tz="):
        PrepaidEvents(frame, **names)
    with pytest.raises(InvalidValue, match="leave tz out"):
        PrepaidEvents(frame.with_columns(pl.col("date").dt.date()), tz="Europe/Moscow", **names)


@pytest.mark.parametrize("column", ["what", "card", "client", "tariff"])
def test_names_may_be_categories(column):
    rows = [("sale", "2024-01-10", 1, "ann", "ten", None), ("visit", "2024-01-15", 1, "ann", None, None)]
    frame = pd.DataFrame(rows, columns=["what", "at", "card", "client", "tariff", "cents"])
    frame = frame.assign(at=pd.to_datetime(frame["at"]), card=frame["card"].astype(str))
    frame = frame.astype({column: "category"})[["what", "at", "card", "client", "tariff"]]
    names = {name: given for name, given in NAMES.items() if name != "amount"}
    log = PrepaidEvents(frame, kind="what", date="at", kinds={"sale": "purchase"}, **names)
    assert log.liability(PLANS, as_of="2024-12-31") == 9 * 150_000
    assert log.roll_forward(PLANS, as_of="2024-12-31").earned.sum() == 150_000
    assert log.dormant(PLANS, as_of="2024-12-31").customer.tolist() == ["ann"]
