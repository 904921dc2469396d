"""The worked examples of the prepaid ledger: the article's client, refunds, expiry, the order of consumption."""

import datetime as dt

import pytest

from retention_metrics.errors import UndefinedMetric
from retention_metrics.prepaid import Ledger, PackagePlan, RefundPolicy, Remote

MANICURE = PackagePlan(id="manicure", price=1_500_000, sessions=10, cost_per_session=70_000)
VISITS = [
    "2024-01-15",
    "2024-07-15",
    "2024-07-22",
    "2024-07-29",
    "2024-08-05",
    "2024-08-12",
    "2024-08-19",
    "2024-08-26",
    "2024-09-02",
    "2024-09-09",
]


def bought(day, plan, package="p", customer="ann", **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": customer, "plan": plan.id, **fields}


def came(day, package="p", **fields):
    return {"kind": "visit", "date": day, "package": package, **fields}


def article(plan=MANICURE, as_of="2024-09-30"):
    events = [bought("2024-01-10", plan), *(came(day) for day in VISITS)]
    return Ledger.from_events(events, [plan], as_of=as_of)


def last(ledger):
    """The whole life of the book in one row."""
    rolled = ledger.roll_forward("year")
    assert len(rolled.starts) == 1
    return {name: int(value[0]) for name, value in ((n, getattr(rolled, n)) for n in rolled.to_dict() if n in FLOWS)}


FLOWS = (
    "collections",
    "earned",
    "breakage",
    "refunds_paid",
    "refund_fees",
    "refund_gain",
    "refund_excess",
    "liability",
)


# The article: ten manicures bought, one used, nine used half a year later


def test_the_client_of_the_article(reference):
    assert "example A1" in reference("S-PRE-01")["what"]
    rolled = article().roll_forward()
    assert rolled.labels == [f"2024-{month:02}" for month in range(1, 10)]
    assert rolled.collections.tolist() == [1_500_000] + [0] * 8
    assert rolled.earned.tolist() == [150_000, 0, 0, 0, 0, 0, 450_000, 600_000, 300_000]
    assert rolled.liability.tolist() == [1_350_000] * 6 + [900_000, 300_000, 0]
    assert rolled.delivery_cost.tolist() == [70_000, 0, 0, 0, 0, 0, 210_000, 280_000, 140_000]
    assert rolled.sessions_outstanding.tolist() == [9] * 6 + [6, 2, 0]
    assert rolled.breakage.sum() == 0


def test_half_a_year_later_her_money_is_spent():
    book = article().at("2024-06-30")
    assert book.custody_shortfall(cash=0) == 1_350_000
    silent = book.dormant(days=90)
    assert silent.to_dict() == {
        "as_of": "2024-06-30",
        "days": 90,
        "customer": ["ann"],
        "packages": [1],
        "sessions_left": [9],
        "unearned": [1_350_000],
        "cost_to_serve": [630_000],
        "days_since": [167],
        "days_to_expiry": [None],
    }
    assert len(book.dormant(days=167)) == 1
    assert len(book.dormant(days=168)) == 0


def test_spending_what_comes_in_ends_in_a_gap_and_ring_fencing_does_not():
    rolled = article().roll_forward()
    net = rolled.collections - rolled.delivery_cost
    cash, lows = 0, []
    for flow in net.tolist():
        cash += flow
        lows.append(cash)
        cash -= max(0, cash)
    assert lows == [1_430_000, 0, 0, 0, 0, 0, -210_000, -490_000, -630_000]
    cash, draws = 0, []
    for flow, liability in zip(net.tolist(), rolled.liability.tolist(), strict=True):
        cash += flow
        draws.append(max(0, cash - liability))
        cash -= draws[-1]
        assert cash == liability
    assert draws == [80_000, 0, 0, 0, 0, 0, 240_000, 320_000, 160_000]


def test_cover_of_what_is_owed():
    book = article(as_of="2024-06-30")
    assert book.coverage(cash=500_000) == pytest.approx(0.79365, abs=5e-6)
    assert book.free_cash(cash=500_000) == -850_000
    assert book.custody_shortfall(cash=500_000) == 850_000
    assert book.custody_shortfall(cash=1_400_000) == 0
    assert book.refundable_now() == 1_350_000


def test_coverage_of_nothing_is_undefined():
    with pytest.raises(UndefinedMetric, match="coverage is undefined: no session that costs anything is left"):
        article().coverage(cash=500_000)


def test_the_earned_ratio_is_undefined_where_nothing_was_collected():
    book = article()
    with pytest.raises(UndefinedMetric, match=r"earned_ratio is undefined at \[1\]: nothing was collected"):
        book.earned_ratio()
    assert book.earned_ratio(undefined="nan")[0] == pytest.approx(0.1)
    assert book.earned_ratio("year").tolist() == [1.0]


# Refunds


def twelve(**changes):
    return PackagePlan(id="twelve", price=1_200_000, sessions=12, **changes)


def refunded(plan, used, **fields):
    events = [bought("2024-01-01", plan), *(came("2024-01-02") for _ in range(used))]
    events.append({"kind": "refund", "date": "2024-02-01", "package": "p", **fields})
    return last(Ledger.from_events(events, [plan], as_of="2024-02-29", allow_excess=True))


def test_a_refund_with_a_fee():
    before = [bought("2024-01-01", twelve()), *(came("2024-01-02") for _ in range(5))]
    assert Ledger.from_events(before, [twelve()], as_of="2024-01-31").liability() == 700_000
    found = refunded(twelve(refund=RefundPolicy(fee_bps=1_000)), 5)
    assert (found["refund_fees"], found["refunds_paid"], found["liability"]) == (70_000, 630_000, 0)
    assert found["earned"] + found["breakage"] + found["refunds_paid"] + found["refund_fees"] == 1_200_000


@pytest.mark.parametrize(("used", "paid", "gain"), [(5, 550_000, 150_000), (11, 0, 100_000)])
def test_a_refund_re_rated_at_list_price(used, paid, gain):
    found = refunded(twelve(list_price=130_000, refund=RefundPolicy(kind="rerate")), used)
    assert (found["refunds_paid"], found["refund_gain"], found["liability"]) == (paid, gain, 0)


def test_a_refund_re_rated_is_never_more_than_what_is_owed():
    found = refunded(twelve(list_price=50_000, refund=RefundPolicy(kind="rerate", fee_bps=1_000)), 5)
    assert (found["refunds_paid"], found["refund_fees"], found["refund_gain"]) == (630_000, 70_000, 0)


def test_the_fee_of_a_re_rated_refund_is_a_part_of_what_is_due():
    found = refunded(twelve(list_price=130_000, refund=RefundPolicy(kind="rerate", fee_bps=1_000)), 5)
    assert (found["refunds_paid"], found["refund_fees"], found["refund_gain"]) == (495_000, 55_000, 150_000)


def test_what_is_kept_of_a_given_amount_is_fee_first_and_then_gain():
    plan = PackagePlan(id="four", price=400, sessions=4, refund=RefundPolicy(fee=50))
    kept = {}
    for amount in (380, 350, 300):
        found = refunded(plan, 0, amount=amount)
        kept[amount] = found["refund_fees"], found["refund_gain"]
    assert kept == {380: (20, 0), 350: (50, 0), 300: (50, 50)}


def test_a_refund_below_and_above_what_is_owed():
    # The package of 400 refunded for 300: the remaining 100 is revenue; what is above the balance is a cost.
    plan = PackagePlan(id="four", price=400, sessions=4)
    assert refunded(plan, 0, amount=300) | {"collections": 0} == {
        "collections": 0,
        "earned": 0,
        "breakage": 0,
        "refunds_paid": 300,
        "refund_fees": 0,
        "refund_gain": 100,
        "refund_excess": 0,
        "liability": 0,
    }
    above = refunded(plan, 1, amount=350)
    assert (above["refunds_paid"], above["refund_excess"], above["refund_gain"]) == (350, 50, 0)


def test_the_fee_is_never_more_than_the_refund():
    found = refunded(twelve(refund=RefundPolicy(fee=150_000, fee_bps=5_000)), 11)
    assert (found["refund_fees"], found["refunds_paid"]) == (100_000, 0)


# Instalments


def test_the_liability_follows_the_cash_received():
    plan = PackagePlan(id="hundred", price=100, sessions=10)
    events = [bought("2024-01-01", plan, amount=20)]
    events += [
        {"kind": "instalment", "date": f"2024-0{n}-01", "package": "p", "amount": m} for n, m in ((2, 30), (3, 50))
    ]
    rolled = Ledger.from_events(events, [plan], as_of="2024-03-31").roll_forward()
    assert rolled.liability.tolist() == [20, 50, 100]


def test_one_customers_debt_is_not_set_against_another_ones_liability():
    plan = PackagePlan(id="hundred", price=100, sessions=10)
    events = [bought("2024-01-01", plan, amount=0), bought("2024-01-01", plan, "q", "bob")]
    events += [came("2024-01-02") for _ in range(3)]
    ledger = Ledger.from_events(events, [plan], as_of="2024-01-31")
    assert (ledger.liability(), ledger.contract_asset()) == (100, 30)


# The order of consumption


def test_visits_that_name_no_package():
    lasting = PackagePlan(id="lasting", price=100, sessions=1)
    ending = PackagePlan(id="ending", price=100, sessions=1, expiry="forfeit")
    events = [
        bought("2024-01-01", lasting, "x"),
        bought("2024-02-01", ending, "y", expires="2024-06-30"),
        bought("2024-01-15", ending, "z", expires="2024-06-30"),
    ]
    used = []
    for number in range(1, 4):
        visits = [{"kind": "visit", "date": "2024-03-01", "customer": "ann"}] * number
        table = Ledger.from_events(events + visits, [lasting, ending], as_of="2024-03-31").packages()
        used.append({name for name, count in zip(table.package, table.used, strict=True) if count})
    assert used == [{"z"}, {"y", "z"}, {"x", "y", "z"}]


def test_priority_comes_before_expiry_and_a_plan_that_is_named_before_all():
    soon = PackagePlan(id="soon", price=100, sessions=1, expiry="forfeit", validity_days=90)
    first = PackagePlan(id="first", price=100, sessions=1, priority=-1)
    events = [bought("2024-01-01", soon, "s"), bought("2024-01-01", first, "f")]
    visit = {"kind": "visit", "date": "2024-01-02", "customer": "ann"}
    for fields, expected in (({}, "f"), ({"plan": "soon"}, "s")):
        table = Ledger.from_events([*events, visit | fields], [soon, first], as_of="2024-01-31").packages()
        assert [name for name, count in zip(table.package, table.used, strict=True) if count] == [expected]


# Expiry


def test_the_last_usable_day():
    plan = PackagePlan(id="thirty", price=1_000, sessions=2, expiry="forfeit", validity_days=30)
    events = [bought("2024-02-01", plan), came("2024-03-01")]
    ledger = Ledger.from_events(events, [plan], as_of="2024-04-30")
    daily = ledger.roll_forward("day")
    booked = {str(day): amount for day, amount in zip(daily.starts, daily.breakage.tolist(), strict=True) if amount}
    assert booked == {"2024-03-01": 500}
    assert ledger.roll_forward().breakage.tolist() == [0, 500, 0]
    assert ledger.packages().to_dict()["expires"] == [dt.date(2024, 3, 1)]


@pytest.mark.parametrize(
    ("sold", "months", "last_day"),
    [
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-01-31", 1, "2023-02-28"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-03-15", 2, "2024-05-14"),
        ("2024-12-01", 1, "2024-12-31"),
        ("2024-08-31", 1, "2024-09-30"),
    ],
)
def test_months_end_on_the_day_before_the_anniversary(sold, months, last_day):
    plan = PackagePlan(id="m", price=100, sessions=2, expiry="forfeit", validity_months=months)
    table = Ledger.from_events([bought(sold, plan)], [plan], as_of=sold).packages()
    assert str(table.to_dict()["expires"][0]) == last_day


def test_freezes_and_extensions_put_the_expiry_off():
    plan = PackagePlan(id="m", price=100, sessions=2, expiry="forfeit", validity_days=10)
    events = [
        bought("2024-01-01", plan),
        {"kind": "freeze", "date": "2024-01-05", "until": "2024-01-08", "package": "p"},
        {"kind": "extension", "date": "2024-01-13", "days": 3, "package": "p"},
    ]
    ledger = Ledger.from_events(events, [plan], as_of="2024-01-16")
    assert str(ledger.packages().to_dict()["expires"][0]) == "2024-01-17"
    assert ledger.liability() == 100
    assert ledger.at("2024-01-04").packages().expires[0] + 4 == ledger.at("2024-01-05").packages().expires[0]


def test_a_visit_taken_back_after_the_expiry_expires_again():
    plan = PackagePlan(id="m", price=100, sessions=4, expiry="forfeit", validity_days=10)
    events = [
        bought("2024-01-01", plan),
        came("2024-01-05", id="v"),
        {"kind": "void", "date": "2024-02-05", "target": "v"},
    ]
    rolled = Ledger.from_events(events, [plan], as_of="2024-02-29").roll_forward()
    assert rolled.earned.tolist() == [25, -25]
    assert rolled.breakage.tolist() == [75, 25]
    assert rolled.sessions_delivered.tolist() == [1, -1]
    assert rolled.sessions_expired.tolist() == [3, 1]


def test_expiry_may_pay_the_rest_back():
    plan = PackagePlan(id="m", price=100, sessions=4, expiry="refund", validity_days=10)
    found = last(Ledger.from_events([bought("2024-01-01", plan), came("2024-01-05")], [plan], as_of="2024-02-29"))
    assert (found["refunds_paid"], found["breakage"], found["liability"]) == (75, 0, 0)


def test_expired_value_that_is_owed_by_law_stays_a_liability():
    plan = PackagePlan(id="m", price=101, sessions=1, expiry="forfeit", validity_days=10, escheat_bps=5_000)
    rolled = Ledger.from_events([bought("2024-01-01", plan)], [plan], as_of="2024-01-31").roll_forward()
    assert (rolled.breakage[0], rolled.escheat[0], rolled.liability[0]) == (50, 51, 51)


def test_remote_breakage_and_its_reversal():
    plan = MANICURE.model_copy(update={"breakage": Remote(dormant_days=150), "refund": RefundPolicy(kind="none")})
    ledger = article(plan)
    daily = ledger.roll_forward("day")
    booked = {str(day): amount for day, amount in zip(daily.starts, daily.breakage.tolist(), strict=True) if amount}
    assert booked == {"2024-06-13": 1_350_000, "2024-07-15": -1_350_000}
    assert last(ledger) | {"collections": 0} == dict.fromkeys(FLOWS, 0) | {"earned": 1_500_000}
    assert ledger.at("2024-06-30").liability() == 0
    assert ledger.at("2024-06-30").dormant().unearned.tolist() == [1_350_000], "she can still come"


# Terms


def test_a_term_is_earned_by_the_day():
    plan = PackagePlan(id="gym", price=1_000, term_days=30, cost_per_session=5)
    events = [bought("2024-01-22", plan), came("2024-01-25"), came("2024-02-19")]
    rolled = Ledger.from_events(events, [plan], as_of="2024-02-29").roll_forward()
    # Ten of thirty days in January; the visits cost, and earn nothing.
    assert rolled.earned.tolist() == [333, 667]
    assert rolled.delivery_cost.tolist() == [5, 5]
    assert rolled.term_visits.tolist() == [1, 1]
    assert rolled.sessions_sold.tolist() == [0, 0]


def test_a_frozen_term_does_not_earn():
    plan = PackagePlan(id="gym", price=300, term_days=30)
    freeze = {"kind": "freeze", "date": "2024-01-11", "until": "2024-01-20", "package": "p"}
    ledger = Ledger.from_events([bought("2024-01-01", plan), freeze], [plan], as_of="2024-02-29")
    daily = ledger.roll_forward("day")
    assert daily.earned.tolist() == [10] * 10 + [0] * 10 + [10] * 20 + [0] * 20
    assert str(ledger.packages().to_dict()["expires"][0]) == "2024-02-09"


def test_the_day_of_its_refund_is_not_earned():
    plan = PackagePlan(id="gym", price=300, term_days=30)
    refund = {"kind": "refund", "date": "2024-01-11", "package": "p"}
    found = last(Ledger.from_events([bought("2024-01-01", plan), refund], [plan], as_of="2024-01-31"))
    assert (found["earned"], found["refunds_paid"], found["liability"]) == (100, 200, 0)


def test_a_term_may_begin_with_the_first_visit():
    plan = PackagePlan(id="gym", price=300, term_days=30, starts="first_visit")
    ledger = Ledger.from_events([bought("2024-01-01", plan), came("2024-01-20")], [plan], as_of="2024-01-31")
    assert last(ledger)["earned"] == 120


# What is taken over, and what changes hands


def test_an_opening_balance_has_its_own_price_per_session():
    events = [
        {
            "kind": "opening",
            "date": "2024-01-01",
            "package": "p",
            "customer": "ann",
            "plan": "manicure",
            "sessions": 3,
            "amount": 400_000,
        },
        came("2024-01-05"),
    ]
    rolled = Ledger.from_events(events, [MANICURE], as_of="2024-01-31").roll_forward()
    assert (rolled.collections[0], rolled.taken_over[0], rolled.earned[0]) == (0, 400_000, 133_333)
    assert (rolled.sessions_sold[0], rolled.sessions_taken_over[0], rolled.sessions_outstanding[0]) == (0, 3, 2)
    assert rolled.liability[0] == 266_667


def test_a_transfer_moves_the_rest_to_another_customer():
    events = [
        bought("2024-01-01", MANICURE),
        came("2024-01-05"),
        {"kind": "transfer", "date": "2024-01-10", "package": "p", "to": "bob"},
        {"kind": "visit", "date": "2024-01-20", "customer": "bob"},
    ]
    rolled = Ledger.from_events(events, [MANICURE], as_of="2024-01-31").roll_forward(by="customer")
    assert rolled.groups == ("ann", "bob")
    assert rolled.collections.tolist() == [1_500_000, 0]
    assert rolled.transferred.tolist() == [-1_350_000, 1_350_000]
    assert rolled.earned.tolist() == [150_000, 150_000]
    assert rolled.liability.tolist() == [0, 1_200_000]


def test_commission_leaves_at_once():
    plan = PackagePlan(id="c", price=1_000, sessions=2, commission=30, commission_bps=250)
    events = [bought("2024-01-01", plan, amount=500)]
    events.append({"kind": "instalment", "date": "2024-02-01", "package": "p", "amount": 500})
    rolled = Ledger.from_events(events, [plan], as_of="2024-02-29").roll_forward()
    assert rolled.commission.tolist() == [43, 13]  # 30 + 12.5 up, and 12.5 up


def test_the_order_of_a_day_and_its_override():
    plan = PackagePlan(id="m", price=100, sessions=1)
    refund = {"kind": "refund", "date": "2024-01-01", "package": "p"}
    ledger, issues = Ledger.from_events(
        [refund, came("2024-01-01"), bought("2024-01-01", plan)], [plan], as_of="2024-01-01", on_error="collect"
    )
    assert [issue.code for issue in issues] == ["nothing_left"], "the visit came first"
    assert last(ledger)["earned"] == 100
    refund["seq"] = -1
    sale = bought("2024-01-01", plan, seq=-2)
    ledger, issues = Ledger.from_events(
        [refund, came("2024-01-01"), sale], [plan], as_of="2024-01-01", on_error="collect"
    )
    assert [issue.code for issue in issues] == ["after_refund"]
    assert last(ledger)["refunds_paid"] == 100


def test_a_package_may_change_hands_twice_in_a_day():
    moves = [
        {"kind": "transfer", "date": "2024-01-10", "package": "p", "to": to, "id": number}
        for number, to in ((2, "cleo"), (1, "bob"))
    ]
    ledger = Ledger.from_events([*moves, bought("2024-01-01", MANICURE)], [MANICURE], as_of="2024-01-31")
    assert ledger.packages().customer.tolist() == ["cleo"]
    assert ledger.roll_forward(by="customer").groups == ("ann", "cleo")
    assert ledger.audit().passed


def test_validity_does_not_count_from_a_visit_that_was_taken_back():
    plan = PackagePlan(id="t", price=1_000, sessions=10, expiry="forfeit", validity_days=30, starts="first_visit")
    sale = {"kind": "purchase", "date": "2024-01-10", "package": "p", "customer": "a", "plan": "t"}
    first, second, third = (
        {"kind": "visit", "date": day, "package": "p", "id": day} for day in ("2024-01-15", "2024-01-20", "2024-05-02")
    )
    undo = {"kind": "void", "date": "2024-01-16", "target": "2024-01-15"}
    late = undo | {"date": "2024-02-14"}  # validity ended with the 13th of February
    for events, expires, liability in (
        ([sale, first, undo], None, 1_000),
        ([sale, first, second, undo | {"date": "2024-01-21"}], "2024-02-18", 0),
        ([sale, first, undo, third], "2024-05-31", 900),
        ([sale, first, late], "2024-02-13", 0),
    ):
        ledger = Ledger.from_events(events, [plan], as_of="2024-05-20")
        (found,) = ledger.packages().to_dict()["expires"]
        assert (found and str(found)) == expires
        assert ledger.liability() == liability
        assert all(
            ledger.at(day).liability() == Ledger.from_events(events, [plan], as_of=day).liability()
            for day in ("2024-01-15", "2024-02-13", "2024-03-01")
        )
