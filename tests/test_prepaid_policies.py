"""The same book under several policies, and its tables."""

import json

import pytest

from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan, PolicyComparison, RefundPolicy, compare_policies

TEN = PackagePlan(id="ten", price=1_000, sessions=10, cost_per_session=30, list_price=120)


def sold(package, plan="ten", day="2024-01-01", **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": f"c{package}", "plan": plan, **fields}


def event(kind, day, package, **fields):
    return {"kind": kind, "date": day, "package": package, **fields}


# One who comes back late, one who wants the money back, one who is never seen again.
EVENTS = [
    sold(1),
    event("visit", "2024-01-10", 1),
    event("visit", "2024-07-10", 1),
    sold(2),
    *[event("visit", "2024-01-10", 2)] * 4,
    event("refund", "2024-02-01", 2, amount=550),
    sold(3),
]


def compared(events=EVENTS, plan=TEN, **options):
    return compare_policies(Ledger.from_events(events, [plan], as_of="2024-12-31"), **options)


def test_what_each_policy_books_pays_and_owes():
    found = compared(validity_days=90)
    rows = {
        row.policy: (row.earned, row.breakage, row.kept_of_refunds, row.refunds_paid, row.liability)
        for row in found.rows
    }
    assert rows == {
        "as_sold": (600, 0, 50, 550, 1_800),
        "refund_on_demand": (600, 0, 0, 600, 1_800),
        # 900 of the first, 600 of the second and 1,000 of the third are forfeited after 90 days.
        "expiry": (500, 2_500, 0, 0, 0),
        "rerating": (600, 0, 80, 520, 1_800),
    }
    assert {row.policy: (row.visits_turned_away, row.refunds_refused) for row in found.rows} == {
        "as_sold": (0, 0),
        "refund_on_demand": (0, 0),
        "expiry": (1, 1),
        "rerating": (0, 0),
    }
    assert found["refund_on_demand"].refundable_now == 1_800
    assert found["rerating"].refundable_now == 1_000 - 2 * 120 + 1_000
    assert found["expiry"].refundable_now == 0
    for row in found.rows:
        assert row.collections == row.income + row.refunds_paid + row.liability
        assert row.result == row.income - row.sessions_delivered * 30
        assert (
            row.sessions_delivered + row.sessions_expired + row.sessions_outstanding + (6 if row.refunds_paid else 0)
            == 30
        )


def test_without_a_list_price_there_is_no_re_rating():
    plan = TEN.model_copy(update={"list_price": None})
    found = compared(plan=plan, validity_days=90)
    assert [row.policy for row in found.rows] == ["as_sold", "refund_on_demand", "expiry"]
    assert found.left_out == {"rerating": "plan 'ten' has no list_price"}
    assert str(found).splitlines()[-1] == "rerating is left out: plan 'ten' has no list_price"
    with pytest.raises(InvalidValue, match="there is no policy 'rerating': plan 'ten' has no list_price"):
        found["rerating"]


def test_the_validity_of_the_plan_comes_first():
    plan = PackagePlan(id="ten", price=1_000, sessions=10, expiry="forfeit", validity_days=300, escheat_bps=1_000)
    found = compared(events=EVENTS, plan=plan, validity_days=1)
    assert found["expiry"].visits_turned_away == 0
    assert found["expiry"].liability == 240, "a tenth of the 2,400 that are forfeited"
    assert found["refund_on_demand"].sessions_expired == 0


def test_agreed_expiry_is_dropped_where_nothing_expires():
    plan = PackagePlan(id="ten", price=1_000, sessions=10, expiry="forfeit")
    found = compared(events=[sold(1, expires="2024-02-01")], plan=plan, validity_days=400)
    assert (found["as_sold"].breakage, found["refund_on_demand"].breakage, found["expiry"].breakage) == (
        1_000,
        0,
        1_000,
    )


def test_events_that_no_policy_books_turn_nobody_away():
    ledger, _ = Ledger.from_events(
        [*EVENTS, event("visit", "2023-12-31", 1)], [TEN], as_of="2024-12-31", on_error="collect"
    )
    found = compare_policies(ledger, validity_days=90)
    assert [row.visits_turned_away for row in found.rows] == [0, 0, 1, 0]


def test_terms_keep_their_rules():
    gym = PackagePlan(id="gym", price=300, term_days=30, refund=RefundPolicy(kind="none"))
    ledger = Ledger.from_events([*EVENTS, sold(4, "gym")], [TEN, gym], as_of="2024-12-31")
    found = compare_policies(ledger, validity_days=90)
    assert found["refund_on_demand"].earned == 900


def test_terms_alone_know_no_other_policy():
    gym = PackagePlan(id="gym", price=300, term_days=30)
    found = compared([sold(4, "gym")], gym)
    assert [row.policy for row in found.rows] == ["as_sold"]
    reason = "every plan is a term, and terms keep their rules"
    assert found.left_out == {"refund_on_demand": reason, "expiry": reason, "rerating": reason}
    assert PolicyComparison.model_validate_json(found.model_dump_json()) == found


def test_refusals():
    with pytest.raises(InvalidValue, match="plan 'ten' has no validity; give validity_days"):
        compared()
    with pytest.raises(InvalidValue, match="validity_days must be a whole number >= 1"):
        compared(validity_days=0)
    with pytest.raises(InvalidType, match="ledger must be a Ledger, got list"):
        compare_policies([])
    with pytest.raises(InvalidValue, match="there is no policy 'mercy'"):
        compared(validity_days=90)["mercy"]


def test_the_comparison_as_text_json_and_frame():
    found = compared(validity_days=90)
    assert PolicyComparison.model_validate_json(found.model_dump_json()) == found
    assert str(found).splitlines()[0].split() == ["as_sold", "refund_on_demand", "expiry", "rerating"]
    assert found.to_frame("polars")["result"].to_list() == [row.result for row in found.rows]


# The tables of a ledger


def test_tables_as_dictionaries_frames_and_text():
    ledger = Ledger.from_events(EVENTS, [TEN], as_of="2024-12-31")
    rolled = ledger.roll_forward("quarter", by="plan")
    found = rolled.to_dict()
    json.dumps(found)
    assert found["periods"] == ["2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4"]
    assert found["groups"] == ["ten"] * 4
    assert found["earned_ratio"] == [pytest.approx(500 / 3_000), None, None, None]
    frame = rolled.to_frame("pandas")
    assert list(frame.columns[:3]) == ["period", "plan", "earned_ratio"]
    assert frame["liability"].tolist() == [1_900, 1_900, 1_800, 1_800]
    text = str(ledger.roll_forward()).splitlines()
    assert text[1].split() == ["2024-01", "0.17", "3,000", "500", "0", "150", "2,500", "0", "25"]
    assert str(ledger) == str(ledger.roll_forward())
    heading = ["period", "ratio", "collected", "earned", "breakage", "cost", "liability", "refunds", "sessions"]
    assert text[0].split() == heading
    assert "ten" in str(rolled)
    assert repr(ledger).startswith("Ledger(as_of=datetime.date(2024, 12, 31), currency=None")
    table = ledger.packages()
    assert len(table) == 3
    assert table.to_frame("polars")["status"].to_list() == ["open", "refunded", "open"]
    assert table.to_dict()["expires"] == [None] * 3
    assert str(table).splitlines()[1].split() == ["1", "c1", "ten", "open", "-", "2", "8", "200", "800"]
    assert "movements of a package" in str(ledger.audit())


def test_the_roll_forward_of_an_ordinary_shop_fits_a_screen():
    plan = PackagePlan(id="ten", price=1_500_000, sessions=10, cost_per_session=70_000)
    events = [sold(n) for n in range(6)] + [event("visit", "2024-01-10", n) for n in range(6) for _ in range(4)]
    text = str(Ledger.from_events(events, [plan], as_of="2024-06-30").roll_forward())
    assert "9,000,000" in text
    assert max(map(len, text.splitlines())) <= 90


def test_tables_are_read_only():
    rolled = Ledger.from_events(EVENTS, [TEN], as_of="2024-12-31").roll_forward()
    with pytest.raises(ValueError, match="read-only"):
        rolled.earned[0] = 0


def test_segments():
    events = [sold(1, segment="north"), sold(2, segment="south"), sold(3)]
    rolled = Ledger.from_events(events, [TEN], as_of="2024-01-31").roll_forward(by="segment")
    assert rolled.groups == ("north", "south", None)
    assert rolled.liability.tolist() == [1_000] * 3


def test_weeks_begin_when_they_are_told_to():
    ledger = Ledger.from_events([sold(1, day="2024-01-07")], [TEN], as_of="2024-01-08")
    assert len(ledger.roll_forward("week").starts) == 2
    assert len(ledger.roll_forward("week", week_start="sunday").starts) == 1


@pytest.mark.parametrize("broken", ["earned", "sessions_delivered", "collections", "transferred"])
def test_the_audit_finds_what_is_broken(broken):
    events = [*EVENTS, event("transfer", "2024-08-01", 1, to="dora")]
    ledger = Ledger.from_events(events, [TEN], as_of="2024-12-31")
    assert ledger.audit().passed
    for postings in ledger._book.flows.postings:
        if broken in postings.amounts:
            postings.amounts[broken] = postings.amounts[broken].copy()
            postings.amounts[broken][:1] += 1
    audit = ledger.audit()
    assert not audit.passed
    assert type(audit).model_validate_json(audit.model_dump_json()) == audit
