"""Models fitted to books: the counts against a slow count, recovery of the truth, intervals, draws, goodness of fit."""

import datetime as dt
import json
import math
import random
from collections import Counter

import numpy as np
import pytest

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.prepaid import Ledger, PackagePlan, RefundPolicy
from retention_metrics.redemption import RedemptionModel, live_book

THREE = PackagePlan(id="three", price=300, sessions=3)
TWO = PackagePlan(id="two", price=200, sessions=2)


def sold(package, plan, day, **fields):
    return {"kind": "purchase", "date": day, "package": package, "customer": package, "plan": plan.id, **fields}


def event(kind, day, package, **fields):
    return {"kind": kind, "date": day, "package": package, **fields}


def worked_example():
    """Three packages over six months, whose trials can be counted on fingers."""
    day = [f"2024-{month:02d}-10" for month in range(1, 7)]
    events = [
        sold("p1", THREE, day[0]),
        *(event("visit", day[t], "p1") for t in (0, 1, 4)),
        sold("p2", TWO, day[1]),
        event("visit", day[3], "p2"),
        sold("p3", TWO, day[2]),
        event("refund", day[5], "p3"),
    ]
    return Ledger.from_events(events, [THREE, TWO], as_of="2024-06-30")


def fitted(*events, plans=(THREE, TWO), as_of="2024-06-30", **options):
    ledger = Ledger.from_events(events, plans, as_of=as_of)
    return RedemptionModel.fit(ledger, **({"buckets": 3, "min_exposure": 1} | options))


def counts(fit):
    return tuple(each.sum(axis=0).tolist() for each in (fit.exposure, fit.visits, fit.refunds))


def test_the_worked_example_to_the_digit():
    fit = RedemptionModel.fit(worked_example(), buckets=3, min_exposure=1)
    assert counts(fit) == ([6, 4, 4], [2, 0, 2], [0, 0, 1])
    assert fit.model.hazard.tolist() == [1 / 3, 0, 2 / 3]
    assert fit.model.refund.tolist() == [0, 0, 1 / 4]
    assert fit.model.burst is None
    assert fit.merged == ()
    assert fit.first == dt.date(2024, 1, 1)


def test_fewer_buckets_pool_the_last_ones():
    fit = RedemptionModel.fit(worked_example(), buckets=2, min_exposure=1)
    assert counts(fit) == ([6, 8], [2, 2], [0, 1])
    assert counts(RedemptionModel.fit(worked_example(), buckets=1, min_exposure=1)) == ([14], [4], [1])
    assert counts(RedemptionModel.fit(worked_example(), buckets=6, min_exposure=1))[0] == [6, 4, 3, 1, 0, 0]


def test_thin_buckets_share_one_hazard():
    fit = RedemptionModel.fit(worked_example(), buckets=6, min_exposure=4)
    assert fit.group.tolist() == [0, 1, 2, 2, 2, 2]
    assert fit.merged == ((2, 3, 4, 5),)
    assert fit.model.hazard.tolist() == [1 / 3, 0, 2 / 3, 2 / 3, 2 / 3, 2 / 3]
    assert "gaps 2, 3, 4, 5 share one hazard" in str(fit)
    assert RedemptionModel.fit(worked_example(), buckets=3, min_exposure=5).group.tolist() == [0, 1, 1]
    assert RedemptionModel.fit(worked_example(), buckets=3).group.tolist() == [0, 0, 0]
    assert RedemptionModel.fit(worked_example(), buckets=3).model.hazard[0] == pytest.approx(4 / 13)


def test_a_month_that_is_not_over_is_no_trial():
    events = [sold("p", TWO, "2024-01-10"), event("visit", "2024-03-05", "p")]
    assert counts(fitted(*events, as_of="2024-03-30")) == ([1, 1, 0], [0, 0, 0], [0, 0, 0])
    assert counts(fitted(*events, as_of="2024-03-31")) == ([1, 1, 1], [0, 0, 1], [0, 0, 0])


def test_frozen_months_are_neither_trials_nor_silence():
    events = [sold("p", TWO, "2024-01-10"), event("freeze", "2024-02-20", "p", until="2024-04-10")]
    assert counts(fitted(*events)) == ([1, 1, 1], [0, 0, 0], [0, 0, 0])
    back = event("visit", "2024-04-20", "p")
    assert counts(fitted(*events, back)) == ([2, 1, 0], [0, 0, 0], [0, 0, 0])


def test_visits_of_frozen_months_tell_no_size():
    events = [sold("p", THREE, "2024-01-10"), event("freeze", "2024-02-20", "p", until="2024-02-25")]
    events += [event("visit", day, "p") for day in ("2024-02-01", "2024-02-02")]
    assert fitted(*events).model.burst is None


def test_expiry_is_no_refund_and_ends_the_trials():
    days = PackagePlan(id="two", price=200, sessions=2, expiry="forfeit", validity_days=61)
    months = PackagePlan(id="two", price=200, sessions=2, expiry="refund", validity_months=2)
    assert counts(fitted(sold("p", days, "2024-01-10"), plans=[days])) == ([1, 1, 0], [0, 0, 0], [0, 0, 0])
    assert counts(fitted(sold("p", months, "2024-02-01"), plans=[months])) == ([1, 1, 0], [0, 0, 0], [0, 0, 0])


def test_a_refund_comes_before_a_visit_of_the_same_month():
    events = [sold("p", TWO, "2024-01-10"), event("visit", "2024-02-05", "p"), event("refund", "2024-02-06", "p")]
    assert counts(fitted(*events)) == ([1, 1, 0], [0, 0, 0], [0, 1, 0])


def test_a_visit_that_was_taken_back_was_none():
    events = [
        sold("p", TWO, "2024-01-10"),
        event("visit", "2024-02-05", "p", id="v"),
        {"kind": "void", "date": "2024-05-01", "target": "v"},
    ]
    assert counts(fitted(*events, buckets=6)) == ([1] * 6, [0] * 6, [0] * 6)


def test_what_was_taken_over_counts_from_its_first_visit():
    opening = {
        "kind": "opening",
        "date": "2024-01-01",
        "package": "p",
        "customer": "c",
        "plan": "three",
        "amount": 300,
        "sessions": 3,
    }
    with pytest.raises(UndefinedMetric, match="no package"):
        fitted(opening)
    assert counts(fitted(opening, event("visit", "2024-03-05", "p"))) == ([1, 1, 1], [0, 0, 0], [0, 0, 0])


def test_what_was_entered_late_counts_when_it_happened():
    events = [
        sold("p", TWO, "2024-01-10"),
        event("visit", "2024-02-05", "p", recorded="2024-05-02"),
        event("refund", "2024-03-05", "p", recorded="2024-05-03"),
    ]
    ledger = Ledger.from_events(events, [TWO], as_of="2024-06-30", closed_until="2024-04-30")
    fit = RedemptionModel.fit(ledger, buckets=3, min_exposure=1)
    assert counts(fit) == ([2, 1, 0], [0, 1, 0], [1, 0, 0])
    assert fit.visits.sum(axis=1).tolist() == [0, 1, 0, 0, 0, 0]


def test_visits_that_a_later_package_settled_count_on_the_day_of_its_sale():
    plan = PackagePlan(id="three", price=300, sessions=3, list_price=120)
    events = [
        {"kind": "visit", "date": "2024-01-20", "customer": "p"},
        sold("p", plan, "2024-03-10"),
        event("visit", "2024-04-10", "p"),
    ]
    ledger = Ledger.from_events(events, [plan], as_of="2024-06-30", unpaid="receivable", reconcile=True)
    assert counts(RedemptionModel.fit(ledger, buckets=3, min_exposure=1)) == ([3, 1, 0], [2, 0, 0], [0, 0, 0])


def test_terms_have_no_trials():
    gym = PackagePlan(id="gym", price=300, term_days=200)
    events = [sold("g", gym, "2024-01-10"), event("visit", "2024-01-11", "g"), sold("p", TWO, "2024-06-01")]
    assert counts(fitted(*events, plans=[gym, TWO])) == ([1, 0, 0], [0, 0, 0], [0, 0, 0])


def test_sizes_of_visits_allow_for_those_that_used_the_rest():
    ten = PackagePlan(id="ten", price=1_000, sessions=10)
    events = [sold("a", ten, "2024-01-01"), sold("b", TWO, "2024-01-01")]
    events += [event("visit", f"2024-01-{day:02d}", "a") for day in (2, 3)]
    events += [event("visit", f"2024-0{month}-10", "a") for month in (2, 3, 4)]
    events += [event("visit", f"2024-01-{day:02d}", "b") for day in (2, 3)]
    # Sizes 2, 1, 1, 1 of a; at least 2 of b. One in five visits by 2 or more: 3 of 5 stop at 1.
    assert fitted(*events, plans=[ten, TWO]).model.burst.tolist() == [0.6, 0.4]
    last = [sold("b", TWO, "2024-01-01"), event("visit", "2024-01-02", "b"), event("visit", "2024-02-02", "b")]
    assert fitted(*last).model.burst is None
    both = [sold("b", TWO, "2024-01-01"), event("visit", "2024-01-02", "b"), event("visit", "2024-01-03", "b")]
    assert fitted(*both).model.burst.tolist() == [0, 1]


def random_book(rng):
    """Events of a few packages, some of which contradict one another and are left out by the ledger."""
    plans = [
        PackagePlan(id="free", price=500, sessions=rng.choice([1, 2, 5, 9])),
        PackagePlan(id="days", price=400, sessions=4, expiry="forfeit", validity_days=rng.choice([1, 40, 70])),
        PackagePlan(id="back", price=400, sessions=4, expiry="refund", validity_months=2, refund=RefundPolicy(fee=3)),
        PackagePlan(id="gym", price=400, term_days=60),
    ]
    begin = dt.date(2024, 1, 20)
    events = []
    for number in range(rng.randint(1, 8)):
        plan = rng.choice(plans)
        kind = (
            {"kind": "purchase"}
            if rng.random() < 0.8 or plan.is_term
            else {"kind": "opening", "amount": 90, "sessions": 4}
        )
        day = begin + dt.timedelta(rng.randint(0, 90))
        events.append({**kind, "date": day, "package": number, "customer": number, "plan": plan.id})
        for _ in range(rng.choice([0, 1, 3, 6])):
            events.append(event("visit", day + dt.timedelta(rng.randint(0, 120)), number, id=f"v{len(events)}"))
            if rng.random() < 0.1:
                when = events[-1]["date"] + dt.timedelta(rng.randint(0, 40))
                events.append({"kind": "void", "date": when, "target": events[-1]["id"]})
        if rng.random() < 0.3:
            frozen = day + dt.timedelta(rng.randint(0, 60))
            events.append(event("freeze", frozen, number, until=frozen + dt.timedelta(rng.randint(0, 70))))
        if rng.random() < 0.2:
            events.append(event("refund", day + dt.timedelta(rng.randint(0, 100)), number))
        if rng.random() < 0.1:
            events.append(event("transfer", day + dt.timedelta(rng.randint(0, 100)), number, to="heir"))
    return events, plans, begin + dt.timedelta(rng.randint(90, 160))


def period_of(day, step):
    return (day.year * 12 + day.month) if step == "month" else (day.toordinal() - 1) // 7


def slow_counts(events, ledger, step, buckets):
    """Trials, visits and refunds by (period, bucket), and silences, a package and a period at a time."""
    table = ledger.packages()
    voided = {each["target"] for each in events if each["kind"] == "void"}
    tomorrow = ledger.as_of + dt.timedelta(1)
    end = period_of(tomorrow, step) - 1
    trials, visits, refunds, silences = Counter(), Counter(), Counter(), {}
    for place, package in enumerate(table.package.tolist()):
        mine = [each for each in events if each.get("package") == package]
        sale = next(each for each in mine if each["kind"] in ("purchase", "opening"))
        if table.sessions[place] == 0:
            continue
        came = Counter(
            period_of(each["date"], step) for each in mine if each["kind"] == "visit" and each["id"] not in voided
        )
        asked = [period_of(each["date"], step) for each in mine if each["kind"] == "refund"]
        frozen = set()
        for each in mine:
            if each["kind"] == "freeze":
                days = (each["until"] - each["date"]).days + 1
                frozen |= {period_of(each["date"] + dt.timedelta(n), step) for n in range(days)}
        ends_on = None
        if table.status[place] == "expired" or (table.status[place] == "refunded" and not asked):
            ends_on = dt.date.fromordinal(int(table.expires[place]))
        left, silent, known = int(table.sessions[place]), 0, sale["kind"] == "purchase"
        for period in range(period_of(sale["date"], step), end + 1):
            if left == 0 or (ends_on and period_of(ends_on + dt.timedelta(1), step) <= period):
                break
            cell = period, min(silent, buckets - 1)
            if period in asked:
                if period not in frozen and known:
                    trials[cell] += 1
                    refunds[cell] += 1
                break
            if period not in frozen and known:
                trials[cell] += 1
                visits[cell] += period in came
            left -= came[period]
            known = known or period in came
            silent = 0 if period in came else silent + (period not in frozen)
        last = max(came, default=None)
        silences[package] = sum(
            period not in frozen
            for period in range(period_of(sale["date"], step) if last is None else last + 1, end + 1)
        )
    return trials, visits, refunds, silences


@pytest.mark.parametrize("step", ["month", "week"])
def test_random_books_agree_with_a_slow_count(step):
    rng = random.Random(20260731)
    seen = Counter()
    for _ in range(150):
        events, plans, as_of = random_book(rng)
        ledger, issues = Ledger.from_events(events, plans, as_of=as_of, on_error="collect")
        bad = {each.row for each in issues}
        kept = [each for row, each in enumerate(events) if row not in bad and each["date"] <= as_of]
        buckets = rng.choice([1, 2, 4])
        trials, visits, refunds, silences = slow_counts(kept, ledger, step, buckets)
        start = live_book(ledger, step=step, buckets=buckets)
        table = ledger.packages()
        live = [place for place in range(len(table.package)) if table.left[place] > 0]
        gaps = Counter((int(table.left[p]), min(silences[table.package[p]], buckets - 1)) for p in live)
        assert set(zip(start.left.tolist(), start.gap.tolist(), strict=True)) == gaps.keys()
        for left, gap in gaps:
            assert start.count[(start.left == left) & (start.gap == gap)].sum() == gaps[left, gap]
        assert start.liability.sum() == table.liability[live].sum()
        if not trials:
            with pytest.raises(UndefinedMetric):
                RedemptionModel.fit(ledger, step=step, buckets=buckets)
            continue
        fit = RedemptionModel.fit(ledger, step=step, buckets=buckets, min_exposure=1)
        first = period_of(fit.first, step)
        for name, slow in (("exposure", trials), ("visits", visits), ("refunds", refunds)):
            found = getattr(fit, name)
            assert {(t + first, g): n for (t, g), n in np.ndenumerate(found) if n} == {
                k: n for k, n in slow.items() if n
            }
            seen[name] += int(found.sum())
    assert min(seen.values()) > 20  # the books are not empty of anything


def simulated(model, *, sales, periods, sessions, seed, factor=None):
    """A ledger of customers who come as the model says, each at most once a day; period t is month t from 2020."""
    rng = np.random.default_rng(seed)
    kinds, days, packages = [], [], []
    state = []
    factor = np.ones(periods) if factor is None else factor
    for t in range(periods):
        first = (np.datetime64("2020-01") + np.timedelta64(t, "M")).astype("datetime64[D]")
        state += [[len(state) + k, 0, sessions] for k in range(sales)]
        for each in state:
            package, gap, left = each
            if gap == 0 and left == sessions and package >= len(state) - sales:
                kinds.append("purchase"), days.append(first), packages.append(package)
            if left == 0:
                continue
            g = min(gap, model.buckets - 1)
            if rng.random() < model.refund[g]:
                kinds.append("refund"), days.append(first + np.timedelta64(3, "D")), packages.append(package)
                each[2] = 0
            elif rng.random() < model.hazard[g] * factor[t]:
                size = 1 if model.burst is None else 1 + int(rng.choice(model.burst.size, p=model.burst))
                for k in range(min(size, left)):
                    kinds.append("visit"), days.append(first + np.timedelta64(1 + k, "D")), packages.append(package)
                each[1:] = 0, left - min(size, left)
            else:
                each[1] += 1
    columns = {
        "kind": np.array(kinds),
        "date": np.array(days, "datetime64[D]"),
        "package": np.array(packages),
        "customer": np.where(np.array(kinds) == "purchase", np.array(packages), None),
        "plan": np.where(np.array(kinds) == "purchase", "p", None),
    }
    plan = PackagePlan(id="p", price=1_000, sessions=sessions)
    end = (np.datetime64("2020-01") + np.timedelta64(periods, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    return Ledger.from_columns(columns, [plan], as_of=end.astype(dt.date))


TRUTH = RedemptionModel([0.6, 0.35, 0.2, 0.1, 0.05], refund=[0.0, 0.01, 0.03, 0.03, 0.03], burst=[0.7, 0.2, 0.1])


@pytest.fixture(scope="module")
def book():
    return simulated(TRUTH, sales=40, periods=36, sessions=8, seed=11)


@pytest.fixture(scope="module")
def recovered(book):
    return RedemptionModel.fit(book, buckets=5)


def test_the_truth_is_recovered_from_a_censored_book(recovered):
    """Twelve z-scores below 4 in size: with a fixed seed they are, and by chance they are not in 1 of 1,300 seeds."""
    trials, visits, refunds = (each.sum(axis=0) for each in (recovered.exposure, recovered.visits, recovered.refunds))
    willing = trials - refunds
    z = (visits - willing * TRUTH.hazard) / np.sqrt(willing * TRUTH.hazard * (1 - TRUTH.hazard))
    assert np.abs(z).max() < 4
    back = (refunds - trials * TRUTH.refund)[1:] / np.sqrt(trials * TRUTH.refund * (1 - TRUTH.refund))[1:]
    assert np.abs(back).max() < 4
    assert refunds[0] == 0
    sizes = recovered.model.burst
    assert np.abs(sizes - TRUTH.burst).max() < 4 * np.sqrt(0.25 / visits.sum())


def test_intervals_are_wilsons_and_cover(recovered):
    hazard, refund = recovered.hazard_interval(0.95), recovered.refund_interval(0.9999)
    n, v = (recovered.exposure - recovered.refunds)[:, 0].sum(), recovered.visits[:, 0].sum()
    z = 1.959963984540054
    centre = (v / n + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(v / n * (1 - v / n) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert (hazard.low[0], hazard.high[0]) == pytest.approx((centre - half, centre + half), rel=1e-12)
    assert (hazard.level, hazard.method) == (0.95, "wilson")
    wide = recovered.hazard_interval(0.9999)
    assert ((wide.low < TRUTH.hazard) & (TRUTH.hazard < wide.high)).all()
    assert ((refund.low <= TRUTH.refund) & (TRUTH.refund < refund.high)).all()


def test_draws_have_the_moments_of_their_beta(recovered):
    """Ten means and ten variances within 4.5 standard errors: 1 seed in 7,000 would miss; this one does not."""
    paths = 20_000
    drawn = recovered.draws(paths, rng=3)
    trials, visits, refunds = (each.sum(axis=0) for each in (recovered.exposure, recovered.visits, recovered.refunds))
    for sample, a, b in (
        (drawn.hazard, visits + 0.5, trials - refunds - visits + 0.5),
        (drawn.refund, refunds + 0.5, trials - refunds + 0.5),
    ):
        assert sample.shape == (5, paths)
        mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
        assert (np.abs(sample.mean(axis=1) - mean) < 4.5 * np.sqrt(variance / paths)).all()
        assert sample.var(axis=1) == pytest.approx(variance, rel=0.15)
    again = recovered.draws(paths, rng=np.random.default_rng(3))
    assert (again.hazard == drawn.hazard).all()


def test_merged_buckets_share_a_draw_and_no_refund_is_drawn_from_none():
    fit = RedemptionModel.fit(worked_example(), buckets=6, min_exposure=4)
    drawn = fit.draws(50, rng=1)
    assert (drawn.hazard[2:] == drawn.hazard[2]).all()
    assert (drawn.hazard[0] != drawn.hazard[2]).all()
    assert not fitted(sold("p", TWO, "2024-01-10")).draws(50, rng=1).refund.any()


def test_expected_visits_add_up_by_gap_and_by_period(recovered):
    goodness = recovered.goodness_of_fit()
    willing = recovered.exposure - recovered.refunds
    by_hand = [sum(willing[t, g] * recovered.model.hazard[g] for g in range(5)) for t in range(36)]
    assert goodness.expected == pytest.approx(by_hand)
    assert goodness.gap_expected == pytest.approx(goodness.gap_observed)
    assert goodness.observed.tolist() == recovered.visits.sum(axis=1).tolist()
    assert np.isnan(goodness.gap_z).all()
    assert goodness.period[0] == dt.date(2020, 1, 1)
    assert goodness.period[-1] == dt.date(2022, 12, 1)
    spread = recovered.model.hazard * (1 - recovered.model.hazard)
    t = 17
    variance = sum(willing[t, g] * spread[g] * (1 - willing[t, g] / willing[:, g].sum()) for g in range(5))
    assert goodness.z[t] == pytest.approx((goodness.observed[t] - by_hand[t]) / math.sqrt(variance))


def test_independent_customers_have_a_dispersion_of_one_and_a_common_shock_shows(recovered):
    """The p-value is uniform for independent customers: below 0.001 in 1 of 1,000 seeds, but not in this one."""
    alone = recovered.goodness_of_fit()
    assert 0.4 < alone.dispersion < 1.8
    assert alone.p_value > 0.001
    moods = 0.7 + 0.6 * (np.arange(36) % 12 < 6)
    shaken = simulated(TRUTH, sales=40, periods=36, sessions=8, seed=12, factor=moods)
    together = RedemptionModel.fit(shaken, buckets=5).goodness_of_fit()
    assert together.dispersion > 4
    assert together.p_value < 1e-6


def test_another_model_can_be_held_against_the_book(recovered):
    truth = recovered.goodness_of_fit(TRUTH)
    assert np.nanmax(np.abs(truth.gap_z)) < 4
    wrong = recovered.goodness_of_fit(RedemptionModel.geometric(0.3))
    assert np.abs(wrong.gap_z[[0, 4]]).min() > 10
    assert wrong.p_value < 1e-9
    with pytest.raises(InvalidValue, match="fit with buckets=6"):
        recovered.goodness_of_fit(RedemptionModel([0.5] * 6))
    with pytest.raises(UndefinedMetric, match="rules out what the book shows in a period"):
        recovered.goodness_of_fit(RedemptionModel.geometric(0.0))


def test_a_single_certain_period_has_no_dispersion():
    goodness = fitted(sold("p", TWO, "2024-06-10")).goodness_of_fit()
    assert goodness.dispersion is None
    assert goodness.p_value is None
    assert "nothing was uncertain" in str(goodness)


def test_results_are_plain_values(recovered):
    kept = json.loads(json.dumps(recovered.to_dict()))
    assert kept["model"] == recovered.model.to_dict()
    assert kept["first"] == "2020-01-01"
    goodness = json.loads(json.dumps(recovered.goodness_of_fit().to_dict()))
    assert goodness["gap_z"] == [None] * 5
    assert list(recovered.to_frame()["gap"]) == [0, 1, 2, 3, 4]
    assert list(recovered.goodness_of_fit().to_frame("polars")["observed"]) == recovered.visits.sum(axis=1).tolist()
    assert len(str(recovered).splitlines()) == 6
    assert "dispersion" in str(recovered.goodness_of_fit())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": "fortnight"}, "step must be one of"),
        ({"buckets": 0}, "buckets must be a whole number >= 1"),
        ({"min_exposure": 0}, "min_exposure must be a whole number >= 1"),
    ],
)
def test_fits_that_are_refused(options, message):
    with pytest.raises(InvalidValue, match=message):
        RedemptionModel.fit(worked_example(), **options)


def test_only_ledgers_are_fitted():
    with pytest.raises(InvalidType, match=r"ledger must be a prepaid\.Ledger, got list"):
        RedemptionModel.fit([])
    with pytest.raises(UndefinedMetric, match="for a whole month; use a shorter step"):
        fitted(sold("p", TWO, "2024-06-10"), as_of="2024-06-29")
    with pytest.raises(InvalidValue, match="paths must be"):
        fitted(sold("p", TWO, "2024-01-10")).draws(0, rng=1)
    with pytest.raises(InvalidType, match="rng must be"):
        fitted(sold("p", TWO, "2024-01-10")).draws(1, rng=None)


def test_a_fit_is_compared_with_a_model():
    with pytest.raises(InvalidType, match="model must be a RedemptionModel or None, got list"):
        RedemptionModel.fit(worked_example(), min_exposure=1).goodness_of_fit([0.5])
