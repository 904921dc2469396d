"""The studio that does not exist: its files fit together, load into every log, and hold what was hidden in them."""

import csv
import datetime as dt
import json
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest

from retention_metrics import _demo
from retention_metrics._demo import AS_OF, HAZARD, PLANS, STAFF
from retention_metrics.errors import InvalidValue
from retention_metrics.logs import PrepaidEvents, Responses, Subscriptions, Transactions
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.redemption import RedemptionModel
from retention_metrics.survival import tenure_effect

COLUMNS = {
    "orders": ["client_id", "paid_at", "sum", "source"],
    "subscriptions": ["client_id", "plan", "start", "end", "amount"],
    "survey": ["client_id", "answered_at", "score", "reason", "agreed", "agent"],
    "prepaid": ["event_id", "kind", "date", "package", "customer", "plan", "amount"],
    "ads": ["month", "channel", "spend"],
}
SURVEY = {"customer": "client_id", "time": "answered_at", "score": "score", "reason": "reason"}
PREPAID = {
    "kind": "kind",
    "date": "date",
    "id": "event_id",
    "package": "package",
    "customer": "customer",
    "plan": "plan",
    "amount": "amount",
}
SALE = ("2025-11-24", "2025-11-30")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return _demo.write_studio(tmp_path_factory.mktemp("studio") / "new")


@pytest.fixture(scope="module")
def rows(paths):
    return {name: rows_of(paths[name]) for name in COLUMNS}


@pytest.fixture(scope="module")
def frames(paths):
    return {name: pl.read_csv(paths[name], try_parse_dates=True) for name in COLUMNS}


@pytest.fixture(scope="module")
def ledger(frames):
    return PrepaidEvents(frames["prepaid"], **PREPAID).ledger(PLANS, as_of=AS_OF)


@pytest.fixture(scope="module")
def survey(frames):
    return Responses(frames["survey"], **SURVEY, may_contact="agreed", agent="agent")


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def days(text):
    return dt.date.fromisoformat(text[:10])


def test_the_files_have_the_columns_that_the_report_reads(paths, rows):
    assert {name: path.name for name, path in paths.items()} == {
        **{name: f"demo-{name}.csv" for name in COLUMNS},
        "plans": "demo-plans.json",
    }
    assert {name: list(table[0]) for name, table in rows.items()} == COLUMNS
    assert all(b"\r\n" in paths[name].read_bytes() for name in COLUMNS)
    assert b"\r" not in paths["plans"].read_bytes()


def test_a_seed_repeats_itself_and_another_one_is_another_studio(paths, tmp_path):
    again = _demo.write_studio(tmp_path / "again")
    other = _demo.write_studio(tmp_path / "other", seed=8)
    for name, path in paths.items():
        assert again[name].read_bytes() == path.read_bytes()
        assert (other[name].read_bytes() == path.read_bytes()) is (name == "plans")


def test_a_seed_is_no_less_than_zero(tmp_path):
    with pytest.raises(InvalidValue, match="seed"):
        _demo.write_studio(tmp_path, seed=-1)


def test_the_orders_alone_are_those_of_the_studio(paths, tmp_path):
    _demo.write_orders(tmp_path / "orders.csv")
    assert (tmp_path / "orders.csv").read_bytes() == paths["orders"].read_bytes()


def test_everything_happens_within_the_two_years_and_in_order(rows):
    times = {"orders": "paid_at", "subscriptions": "start", "survey": "answered_at", "prepaid": "date"}
    for name, column in times.items():
        moments = [row[column] for row in rows[name]]
        assert moments == sorted(moments)
        assert dt.date(2024, 11, 1) <= days(moments[0]) <= days(moments[-1]) <= AS_OF
    months = list(dict.fromkeys(row["month"] for row in rows["ads"]))
    assert months == [f"{year}-{month:02d}" for year in (2024, 2025, 2026) for month in range(1, 13)][10:34]


def test_money_is_written_alike(rows):
    for name, column in (("orders", "sum"), ("subscriptions", "amount"), ("ads", "spend")):
        amounts = [row[column] for row in rows[name]]
        assert amounts == [f"{float(amount):.2f}" for amount in amounts]
    assert all(row["amount"] == "" or int(row["amount"]) > 0 for row in rows["prepaid"])


def test_clients_are_the_same_in_all_files_and_come_before_they_buy_more_or_answer(rows):
    first = {}
    for row in rows["orders"]:
        first.setdefault(row["client_id"], days(row["paid_at"]))
    for name, client, time in (
        ("subscriptions", "client_id", "start"),
        ("survey", "client_id", "answered_at"),
        ("prepaid", "customer", "date"),
    ):
        assert {row[client] for row in rows[name]} < set(first)
        assert all(first[row[client]] <= days(row[time]) for row in rows[name])


def test_each_client_has_one_source(rows):
    sources = defaultdict(set)
    for row in rows["orders"]:
        sources[row["client_id"]].add(row["source"])
    assert {len(found) for found in sources.values()} == {1}
    came, paid = set.union(*sources.values()), {row["channel"] for row in rows["ads"]}
    assert paid - came == {"leaflets"}
    assert came - paid == {"word of mouth"}


def test_members_have_one_subscription_at_a_time(rows):
    stays = defaultdict(list)
    for row in rows["subscriptions"]:
        stays[row["client_id"]].append((row["start"], row["end"] or "9999", row["plan"]))
    followed = [(one, two) for held in stays.values() for one, two in pairwise(held)]
    assert all(one[0] < one[1] <= two[0] for one, two in followed)
    changed = {(one[2], two[2]) for one, two in followed if one[1] == two[0]}
    assert {("club", "club plus"), ("club plus", "club gold"), ("club plus", "club")} <= changed
    assert any(one[1] < two[0] for one, two in followed)
    left = [end for held in stays.values() for _, end, _ in held if end != "9999"]
    assert AS_OF.isoformat() < max(left) <= "2026-12-01"


def test_members_come_leave_return_and_change_and_leave_early_rather_than_late(frames):
    club = Subscriptions(
        frames["subscriptions"], customer="client_id", start="start", end="end", amount="amount", plan="plan"
    )
    flow = club.movements(as_of=AS_OF)
    for kind in ("new", "expansion", "contraction", "churn", "reactivation"):
        assert np.asarray(getattr(flow, kind)).sum() > 0
    assert 0 < len(club.renewals_due(as_of=AS_OF, within=31)) < 20
    running = frames["subscriptions"].filter(pl.col("end").is_null() | (pl.col("end") >= AS_OF))
    assert flow.end[-1] == running["amount"].sum()
    assert tenure_effect(club.lifetimes(as_of=AS_OF), bins=(0, 91, 730)).p_value < 0.01


def test_each_answer_follows_a_visit_of_the_client(rows):
    visits = defaultdict(list)
    for row in rows["orders"]:
        if float(row["sum"]) > 0:
            visits[row["client_id"]].append(row["paid_at"])
    for row in rows["survey"]:
        latest = max(visit for visit in visits[row["client_id"]] if visit < row["answered_at"])
        assert (days(row["answered_at"]) - days(latest)).days <= (31 if row["agent"] == STAFF else 3)
    assert len({(row["client_id"], row["answered_at"][:10]) for row in rows["survey"]}) == len(rows["survey"])
    assert {row["agreed"] for row in rows["survey"]} == {"true", "false"}
    assert {row["score"] for row in rows["survey"]} == {str(score) for score in range(11)}
    assert {row["score"] for row in rows["survey"] if row["agent"] == STAFF} == {"9", "10"}


@pytest.mark.parametrize("seed", [1, 7])
def test_the_answers_that_staff_filled_in_are_found_and_no_others(tmp_path, seed):
    frame = pl.read_csv(_demo.write_studio(tmp_path, seed=seed)["survey"], try_parse_dates=True)
    found = Responses(frame, **SURVEY, agent="agent").integrity(as_of=AS_OF)
    assert [row.agent for row in found.flagged] == [STAFF]
    assert set(found.flagged[0].flags) == {"too alike", "long run", "too fast"}
    assert found.speed_unknown is None


def test_clients_are_less_and_less_content_because_they_wait(frames, survey):
    steps = survey.trend(as_of=AS_OF, period="quarter").steps
    early, late = ([step.score.value for step in some] for some in (steps[1:4], steps[-4:-1]))
    assert np.mean(early) > np.mean(late) + 15
    unhappy = frames["survey"].filter((pl.col("score") <= 6) & pl.col("reason").is_not_null())
    assert Counter(unhappy["reason"]).most_common(1)[0][0] == "waiting"
    assert len(survey.follow_up("detractors", as_of=AS_OF)) > 0


def test_money_was_spent_where_nobody_came(frames):
    spend = dict(frames["ads"].group_by("channel").agg(pl.col("spend").sum()).rows())
    orders = Transactions(frames["orders"], customer="client_id", time="paid_at", amount="sum")
    found = orders.channels(source="source", spend=spend, first="2024-11-01", last=AS_OF, as_of=AS_OF, ltv=150)
    table = {row.channel: row for row in found.rows}
    assert set(table) == {"search", "maps", "instagram", "coupons", "leaflets", "word of mouth"}
    assert (table["leaflets"].customers, table["leaflets"].cac, table["leaflets"].verdict) == (0, None, "loses")
    assert table["maps"].verdict == "pays"
    assert table["word of mouth"].cac == 0
    assert sum(row.customers for row in found.rows) == frames["orders"]["client_id"].n_unique()


def test_clients_with_coupons_come_back_less(frames):
    orders = Transactions(frames["orders"], customer="client_id", time="paid_at", amount="sum")
    repeated = orders.repeat_purchase_rate(as_of=AS_OF, by="source")
    rates = {name: part.value for name, part in repeated.items()}
    assert min(rates, key=rates.get) == "coupons"


def test_the_plans_are_an_honest_one_and_one_that_expires(paths):
    honest, expiring = (PackagePlan.model_validate(plan) for plan in json.loads(paths["plans"].read_text("utf-8")))
    assert (honest, expiring) == PLANS
    assert (honest.expiry, honest.validity_days, honest.refund) == ("never", None, type(honest.refund)())
    assert (expiring.expiry, expiring.validity_days, expiring.refund.kind) == ("forfeit", 180, "none")


def test_the_book_replays_without_a_fault(ledger, frames):
    assert ledger.audit().passed
    events = PrepaidEvents(frames["prepaid"], **PREPAID)
    assert events.ledger(PLANS, as_of=AS_OF, on_error="collect")[1] == ()
    assert events.liability(PLANS, as_of=AS_OF) == ledger.liability()
    assert {"purchase", "visit", "refund"} == set(frames["prepaid"]["kind"])


def test_what_is_owed_is_what_the_events_say_one_by_one(rows, ledger):
    plans = {plan.id: plan for plan in PLANS}
    plan_of, sold, left = {}, {}, {}
    for row in rows["prepaid"]:
        package = row["package"]
        if row["kind"] == "purchase":
            plan_of[package] = plans[row["plan"]]
            sold[package], left[package] = days(row["date"]), plan_of[package].sessions
            assert int(row["amount"]) == plan_of[package].price
        elif row["kind"] == "visit":
            left[package] -= 1
            assert left[package] >= 0
        else:
            assert int(row["amount"]) * plan_of[package].sessions == plan_of[package].price * left[package] > 0
            left[package] = 0
    owed = 0
    for package, plan in plan_of.items():
        over = plan.validity_days is not None and (AS_OF - sold[package]).days >= plan.validity_days
        owed += 0 if over else left[package] * plan.price // plan.sessions
    assert ledger.liability() == owed


def test_pandas_reads_the_book_too(paths, ledger):
    frame = pd.read_csv(paths["prepaid"], parse_dates=["date"], dtype={"amount": "Int64"})
    assert PrepaidEvents(frame, **PREPAID).ledger(PLANS, as_of=AS_OF).liability() == ledger.liability()
    survey = Responses(pd.read_csv(paths["survey"], parse_dates=["answered_at"]), **SURVEY, may_contact="agreed")
    assert len(survey.follow_up("promoters", as_of=AS_OF)) > 0


def test_visits_depend_on_the_silence_before_them_as_planted(rows):
    bought = {row["package"]: row["date"] for row in rows["prepaid"] if row["kind"] == "purchase"}
    usual = [row for row in rows["prepaid"] if not SALE[0] <= bought[row["package"]] <= SALE[1]]
    columns = ("kind", "date", "package", "customer", "plan", "amount")
    events = [{name: row[name] for name in columns if row[name]} for row in usual]
    events = [event | ({"amount": int(event["amount"])} if "amount" in event else {}) for event in events]
    fit = RedemptionModel.fit(Ledger.from_events(events, PLANS, as_of=AS_OF))
    found = fit.hazard_interval(level=0.999)
    assert fit.merged == ()
    assert np.all(found.low < HAZARD)
    assert np.all(found.high > HAZARD)


def test_the_model_of_the_whole_book_has_holders_fall_silent_and_return(ledger):
    fit = RedemptionModel.fit(ledger)
    assert fit.model.hazard[0] > 0.6 > 0.1 > fit.model.hazard[-1] > 0
    assert fit.visits[:, 3:].sum() > 10
    assert fit.refunds.sum() > 5


def test_packages_are_numbered_as_they_are_sold(rows):
    for column in ("package", "event_id"):
        names = list(dict.fromkeys(row[column] for row in rows["prepaid"]))
        numbers = [int(name.rpartition("-")[2]) for name in names]
        assert numbers == list(range(1, len(names) + 1))


def test_much_is_owed_to_buyers_of_the_sale_who_vanished(rows, ledger):
    dormant = ledger.dormant(days=90)
    buyers = {row["customer"] for row in rows["prepaid"] if row["plan"] and SALE[0] <= row["date"] <= SALE[1]}
    owed = dict(zip(dormant.customer, dormant.unearned.tolist(), strict=True))
    vanished = buyers & set(owed)
    assert len(buyers) > 20
    assert len(vanished) > len(buyers) / 2
    assert sum(owed[client] for client in vanished) > ledger.liability() / 10
    assert dormant.unearned.sum() > ledger.liability() / 4


def test_packages_of_the_sale_are_hardly_used(ledger):
    packages = ledger.packages()
    first, last = (dt.date.fromisoformat(day).toordinal() for day in SALE)
    old = (packages.plan == "massage-10") & (packages.sold <= last)
    in_sale = old & (packages.sold >= first)
    shares = [packages.used[some].sum() / packages.sessions[some].sum() for some in (in_sale, old & ~in_sale)]
    assert shares[0] < 0.4 < 0.6 < shares[1]
