"""Histories, predictions and validations from a log, on every engine, against plain Python and published data."""

import datetime as dt
from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from retention_metrics.errors import InvalidRows, InvalidType, InvalidValue, RowsExcludedWarning
from retention_metrics.logs import Transactions
from retention_metrics.predictive import BgBb, BgNbd, GammaGamma, MbgNbd, customer_lifetime_value, diagnose, validate
from tests import predictive_oracles
from tests.oracles import Order, columns, nasty_log

NAMES = {"customer": "customer", "time": "time", "amount": "amount"}
CALIBRATION, LAST = predictive_oracles.CALIBRATION, predictive_oracles.LAST
SPLIT, AS_OF = dt.date(2024, 1, 31), dt.date(2024, 3, 31)
ORDERS = nasty_log([f"client {number:02}" for number in range(40)])
WEEKLY = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)

pytestmark = pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning")


def days_of(orders, until=AS_OF):
    """Money of each customer by day of purchase."""
    days = defaultdict(lambda: defaultdict(float))
    for order in orders:
        if order.day <= until:
            days[order.customer][order.day] += order.amount
    return days


def history(days, until):
    """Repeat purchases, days from the first to the last, days from the first to the end, money of the repeats."""
    seen = sorted(day for day in days if day <= until)
    spent = round(sum(days[day] for day in seen[1:]), 6)
    return len(seen) - 1, (seen[-1] - seen[0]).days, (until - seen[0]).days, spent


def month(day):
    return day.year * 12 + day.month


def rows_of(found):
    return list(zip(*(getattr(found, name).tolist() for name in ("frequency", "recency", "T", "weights")), strict=True))


@pytest.fixture
def log(engine):
    shops = pa.array([["north", "south"][int(order.customer[-2:]) % 2] for order in ORDERS])
    return Transactions(engine.frame(**columns(ORDERS), shop=shops), **NAMES)


@pytest.fixture(scope="module")
def polars_log():
    return Transactions(pl.from_arrow(pa.table(columns(ORDERS))), **NAMES)


@pytest.fixture
def cdnow_log(engine, cdnow_sample):
    frame = {name: cdnow_sample[name].combine_chunks() for name in cdnow_sample.column_names}
    return Transactions(engine.frame(**frame), **NAMES)


@pytest.fixture(scope="module")
def cdnow_fits(cdnow_sample):
    table = predictive_oracles.cdnow(cdnow_sample)
    buying = MbgNbd.fit(**predictive_oracles.purchases(table), unit="week")
    return buying, GammaGamma.fit(frequency=table["frequency"], monetary_value=table["monetary_value"])


@pytest.mark.parametrize("engine", ["pandas", "polars", "pyarrow"], indirect=True)
def test_a_table_of_customers_can_be_fitted_as_it_is(cdnow_log, cdnow_fits):
    """Also that of pandas, whose attribute T is not its column T."""
    table = cdnow_log.rfm(as_of=CALIBRATION, unit="week")
    buying, paying = cdnow_fits
    assert MbgNbd.fit(table).model.parameters == pytest.approx(buying.model.parameters, rel=1e-9)
    assert GammaGamma.fit(table).model.parameters == pytest.approx(paying.model.parameters, rel=1e-9)
    assert diagnose(table).correlation == pytest.approx(0.114, abs=0.001)
    whole = cdnow_log.histories(as_of=CALIBRATION, unit="week", spend=True)
    terms = {"horizon": 9, "discount": 0, "per": "week"}
    values = [customer_lifetime_value(buying, paying, histories=base, **terms) for base in (table, whole)]
    assert values[0].total == pytest.approx(values[1].total, rel=1e-9)


def test_the_published_fits_of_cdnow_from_the_log(cdnow_log, predictive):
    found = cdnow_log.histories(as_of=CALIBRATION, unit="week", spend=True)
    again = found.weights[found.frequency > 0]
    repeats = (found.weights * found.frequency).sum()
    assert [found.customers, again.sum(), repeats] == predictive("cdnow-desc")["expected"][:3]
    assert found.excluded == {"after as_of": 1959}
    fit = BgNbd.fit(found)
    published = predictive("bg-mle")["expected"]
    assert list(fit.model.parameters.values()) == pytest.approx(published["params"], rel=1e-4)
    assert fit.log_likelihood == pytest.approx(published["ll"], abs=1e-3)
    assert fit.model.unit == "week"
    spend = GammaGamma.fit(found)
    published = predictive("gg-mle")
    assert list(spend.model.parameters.values()) == pytest.approx(
        published["expected"]["params"], rel=published["rtol"]
    )
    assert spend.log_likelihood == pytest.approx(published["expected"]["ll"], abs=0.01)
    assert spend.customers == 946


def test_predictions_for_every_customer_of_cdnow(engine, cdnow_log, cdnow_sample):
    days = defaultdict(lambda: defaultdict(float))
    for who, time, amount in zip(*(cdnow_sample[name].to_pylist() for name in NAMES), strict=True):
        days[who][time.date()] += amount
    with pytest.warns(RowsExcludedWarning, match="predict leaves out 1,959 rows of the log"):
        told = cdnow_log.predict(WEEKLY, horizon=39, as_of=CALIBRATION, spend=SPEND, discount=0.002, margin=0.3)
    rows = engine.rows(told)
    assert [row["customer"] for row in rows] == sorted(days)
    x, last, age, spent = np.array([history(days[row["customer"]], CALIBRATION) for row in rows]).T
    place = {"frequency": x, "recency": last / 7, "T": age / 7}
    mean = np.divide(spent, x, out=np.zeros(x.size), where=x > 0)
    value = customer_lifetime_value(
        WEEKLY, SPEND, **place, monetary_value=mean, horizon=39, discount=0.002, per="week", margin=0.3
    )
    expected = place | {
        "probability_alive": WEEKLY.probability_alive(**place),
        "expected_purchases": WEEKLY.expected_purchases(39, **place),
        "expected_spend": value.spend,
        "value": value.values,
    }
    assert list(rows[0]) == ["customer", *expected]
    for name, column in expected.items():
        assert [row[name] for row in rows] == pytest.approx(column.tolist(), rel=1e-10), name


def test_lazy_stays_lazy_and_the_kind_of_frame_stays(engine, log):
    frame = log.predict(WEEKLY, horizon=4, as_of=AS_OF)
    assert type(frame) is type(engine.frame(**columns(ORDERS)))


def test_the_small_log_of_lifetimes(engine, predictive):
    """Thirteen orders of six customers, from the tests of lifetimes: frequency, recency, T and mean spend of each."""
    orders = [
        *((1, "2015-01-01", 1), (1, "2015-02-06", 2), (2, "2015-01-01", 2), (3, "2015-01-01", 3), (3, "2015-01-02", 1)),
        *((3, "2015-01-05", 5), (4, "2015-01-16", 6), (4, "2015-02-02", 3), (4, "2015-02-05", 3), (5, "2015-01-16", 3)),
        *((5, "2015-01-17", 4), (5, "2015-01-18", 5), (6, "2015-02-02", 5)),
    ]
    rows = [Order(who, dt.datetime.fromisoformat(day), float(money)) for who, day, money in orders]
    found = Transactions(engine.frame(**columns(rows)), **NAMES).histories(as_of="2015-02-07", unit="day", spend=True)
    published = [row.split(",")[1:] for row in predictive("rfm-mini")["expected"].strip("()").split(")(")]
    expected = sorted(tuple(map(float, row)) for row in published)
    money = np.nan_to_num(found.monetary_value).tolist()
    assert [(*row[:3], mean) for row, mean in zip(rows_of(found), money, strict=True)] == expected
    assert found.weights.tolist() == [1] * 6


def test_histories_are_those_of_plain_python(log):
    days = days_of(ORDERS)
    for unit, length in (("day", 1), ("week", 7), ("quarter", 365.25 / 4)):
        found = log.histories(as_of=AS_OF, unit=unit)
        expected = Counter(history(own, AS_OF)[:3] for own in days.values())
        assert rows_of(found) == [(x, t / length, T / length, n) for (x, t, T), n in sorted(expected.items())]
        assert (found.unit, found.monetary_value) == (unit, None)


def test_histories_with_money(log):
    found = log.histories(as_of=AS_OF, unit="day", spend=True)
    expected = Counter(history(own, AS_OF) for own in days_of(ORDERS).values())
    assert rows_of(found) == [(*key[:3], n) for key, n in sorted(expected.items())]
    means = [spent / x if x else None for x, _, _, spent in sorted(expected)]
    money = [None if mean is None else pytest.approx(mean, rel=1e-9, abs=1e-6) for mean in means]
    assert found.to_dict()["monetary_value"] == money
    assert found.collapse().monetary_value is None


def test_histories_of_opportunities(log):
    months = defaultdict(set)
    for order in ORDERS:
        if order.day <= AS_OF:
            months[order.customer].add(month(order.day))
    expected = Counter(
        (len(own) - 1, max(own) - min(own), month(AS_OF) - min(own)) for own in map(sorted, months.values())
    )
    found = log.histories(as_of=AS_OF, unit="month", opportunities=True)
    assert rows_of(found) == [(*key, n) for key, n in sorted(expected.items())]


def test_segments(engine, log):
    days = days_of(ORDERS)
    parts = log.histories(as_of=AS_OF, unit="day", by="shop")
    told = engine.rows(log.predict(WEEKLY, horizon=4, as_of=AS_OF, by="shop"))
    for shop, odd in (("north", 0), ("south", 1)):
        own = {who: found for who, found in days.items() if int(who[-2:]) % 2 == odd}
        expected = Counter(history(found, AS_OF)[:3] for found in own.values())
        assert rows_of(parts[shop]) == [(*key, n) for key, n in sorted(expected.items())]
        assert [row["customer"] for row in told if row["segment"] == shop] == sorted(own)


def test_money_that_cannot_be_modelled_is_missing(engine, log):
    days = days_of(ORDERS)
    rows = engine.rows(log.predict(WEEKLY, horizon=4, as_of=AS_OF, spend=SPEND))
    refunded = [who for who, own in days.items() if history(own, AS_OF)[0] and history(own, AS_OF)[3] <= 0]
    assert refunded
    assert sorted(refunded) == [row["customer"] for row in rows if row["value"] is None]
    wild = engine.rows(log.predict(WEEKLY, horizon=4, as_of=AS_OF, spend=GammaGamma(p=6, q=0.9, v=15)))
    for row in wild:
        assert (row["expected_spend"] is None) == (row["frequency"] == 0 or row["customer"] in refunded)


def test_a_holdout_cut_from_the_log(engine, log):
    cut = {who: own for who, own in days_of(ORDERS).items() if min(own) <= SPLIT}
    x, last, age, _ = np.array([history(own, SPLIT) for own in cut.values()]).T
    later = np.array([sum(day > SPLIT for day in own) for own in cut.values()])
    expected = validate(
        WEEKLY, frequency=x, recency=last / 7, T=age / 7, holdout=later, horizon=(AS_OF - SPLIT).days / 7
    )
    found = log.validate(WEEKLY, split=SPLIT, as_of=AS_OF)
    assert (found.actual, found.revenue) == (later.sum(), None)
    for name in ("expected", "naive", "mean_absolute_error", "root_mean_squared_error"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name
    assert found.to_dict()["actual"] == pytest.approx(expected.to_dict()["actual"])
    assert found.expected_customers == pytest.approx(expected.expected_customers)
    tracking = found.tracking
    for time, made in zip(tracking.times, tracking.actual, strict=True):
        upto = SPLIT + dt.timedelta(days=round(time * 7))
        assert made == sum(day <= upto for own in cut.values() for day in sorted(own)[1:])
    assert tracking.times.tolist() == [*range(-int(np.ceil(age.max() / 7)), 9), 60 / 7]
    whole = sum(WEEKLY.expected_purchases(T / 7 + 60 / 7) for T in age)
    assert tracking.expected[-1] == pytest.approx(whole)
    assert tracking.to_frame("polars").columns == ["times", "actual", "expected"]


def test_the_holdout_of_cdnow_with_money(cdnow_log, cdnow_sample):
    table = predictive_oracles.cdnow(cdnow_sample)
    fit = BgNbd.fit(**predictive_oracles.purchases(table), unit="week")
    expected = validate(fit, **predictive_oracles.purchases(table), holdout=table["holdout"], horizon=39)
    found = cdnow_log.validate(BgNbd, split=CALIBRATION, as_of=LAST, unit="week", spend=GammaGamma)
    assert (found.model, found.actual) == ("BgNbd", 1882)
    assert found.expected == pytest.approx(expected.expected, rel=1e-8)
    assert found.mean_absolute_error == pytest.approx(expected.mean_absolute_error, rel=1e-8)
    brought = defaultdict(float)
    for who, time, amount in zip(*(cdnow_sample[name].to_pylist() for name in NAMES), strict=True):
        brought[who] += amount * (CALIBRATION < time.date() <= LAST)
    money = found.revenue
    assert money.actual == pytest.approx(sum(brought.values()))
    ticket = np.where(table["frequency"] > 0, table["monetary_value"], 0.0)
    carried_on = ticket * table["frequency"] / table["T"] * 39
    assert money.naive == pytest.approx(carried_on.sum())
    spend = GammaGamma.fit(frequency=table["frequency"], monetary_value=table["monetary_value"]).model
    each = spend.expected_spend(frequency=table["frequency"], monetary_value=ticket)
    modelled = each * fit.model.expected_purchases(39, **predictive_oracles.purchases(table))
    assert money.expected == pytest.approx(modelled.sum(), rel=1e-8)
    came = np.array(list(brought.values()))
    assert money.mean_absolute_error == pytest.approx(np.abs(modelled - came).mean(), rel=1e-8)
    assert money.naive_mean_absolute_error == pytest.approx(np.abs(carried_on - came).mean(), rel=1e-8)
    assert abs(money.expected / money.actual - 1) < abs(money.naive / money.actual - 1)
    assert "revenue" in str(found)


def test_tables_of_the_users_session_are_left_alone():
    session = pytest.importorskip("duckdb").connect()
    session.execute("create table customers as select 7 as frequency")
    session.execute("create table log as select 'a' as customer, date '2024-03-01' as time")
    log = Transactions(session.table("log"), customer="customer", time="time")
    told = log.predict(WEEKLY, horizon=52, as_of=AS_OF)
    assert told.fetchall()[0][:4] == ("a", 0, 0.0, 30 / 7)
    assert session.execute("select * from customers").fetchall() == [(7,)]


def test_limits_of_what_is_expected(polars_log, cdnow_fits):
    fit, _ = cdnow_fits
    told = polars_log.predict(fit, horizon=9, as_of=AS_OF, level=0.8)
    place = {name: told[name].to_numpy().astype(float) for name in ("frequency", "recency", "T")}
    limits = fit.interval("expected_purchases", 9, **place, level=0.8)
    assert told["purchases_low"].to_numpy() == pytest.approx(limits.low, rel=1e-9)
    assert told["purchases_high"].to_numpy() == pytest.approx(limits.high, rel=1e-9)
    assert "value_low" not in polars_log.predict(fit, horizon=9, as_of=AS_OF, level=0.8, spend=SPEND).columns
    with pytest.raises(InvalidValue, match="level needs a Fit"):
        polars_log.predict(fit.model, horizon=9, as_of=AS_OF, level=0.8)


def test_limits_of_values(engine, log, cdnow_fits):
    """The engine works them out from the distinct histories; here each customer is asked for."""
    buying, paying = cdnow_fits
    terms = {"horizon": 9, "discount": 0.002, "level": 0.8}
    margin = -0.3 if engine.name == "polars" else 0.3
    told = engine.rows(log.predict(buying, as_of=AS_OF, spend=paying, margin=margin, **terms))
    rows = [row for row in told if row["value"] is not None]
    assert 0 < len(rows) < len(told)
    assert all(row["value_low"] is row["value_high"] is None for row in told if row["value"] is None)
    spent = {who: history(own, AS_OF)[3] for who, own in days_of(ORDERS).items()}
    place = {name: [row[name] for row in rows] for name in ("frequency", "recency", "T")}
    mean = [spent[row["customer"]] / max(row["frequency"], 1) for row in rows]
    value = customer_lifetime_value(buying, paying, **place, monetary_value=mean, per="week", margin=margin, **terms)
    assert [row["value_low"] for row in rows] == pytest.approx(value.intervals.low.tolist(), rel=1e-8)
    assert [row["value_high"] for row in rows] == pytest.approx(value.intervals.high.tolist(), rel=1e-8)


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
def test_recency_and_age_mean_the_same_everywhere(polars_log, unit):
    """What rfm says of each customer, what predict says, and the distinct histories: one reading of time."""
    rfm = polars_log.rfm(as_of=AS_OF, unit=unit).sort("customer")
    model = WEEKLY.model_copy(update={"unit": unit})
    told = polars_log.predict(model, horizon=1, as_of=AS_OF).sort("customer")
    names = ["frequency", "recency", "T"]
    assert rfm.select(names).rows() == told.select(names).rows()
    found = polars_log.histories(as_of=AS_OF, unit=unit)
    counted = Counter((x, round(last, 9), round(T, 9)) for x, last, T in rfm.select(names).rows())
    assert [(x, round(last, 9), round(T, 9), n) for x, last, T, n in rows_of(found)] == [
        (*key, n) for key, n in sorted(counted.items())
    ]
    columns = {name: rfm[name].to_numpy() for name in names}
    alive = model.probability_alive(**columns)
    assert told["probability_alive"].to_list() == pytest.approx(alive.tolist(), rel=1e-12)


def test_periods_of_the_calendar_are_opportunities(polars_log):
    rfm = polars_log.rfm(as_of=AS_OF, unit="month", opportunities=True)
    counted = Counter(rfm.select("frequency", "recency", "T").rows())
    found = polars_log.histories(as_of=AS_OF, unit="month", opportunities=True)
    assert rows_of(found) == [(*key, n) for key, n in sorted(counted.items())]
    with pytest.raises(InvalidValue, match="as_of must be the last day of a month"):
        polars_log.rfm(as_of="2024-03-30", unit="month", opportunities=True)


def test_a_discrete_model_counts_opportunities(polars_log):
    model = BgBb(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78, unit="month")
    told = polars_log.predict(model, horizon=3, as_of=AS_OF)
    place = {name: told[name].to_numpy().astype(float) for name in ("frequency", "recency", "T")}
    assert told["T"].max() == 4
    assert told["expected_purchases"].to_numpy() == pytest.approx(model.expected_purchases(3, **place))
    with pytest.raises(InvalidValue, match="as_of must be the last day of a month.* 2024-02-29 and 2024-03-31 are"):
        polars_log.predict(model, horizon=3, as_of="2024-03-30")
    with pytest.raises(InvalidValue, match="split must be the last day of a month"):
        polars_log.validate(model, split="2024-01-30", as_of=AS_OF)
    found = polars_log.validate(model, split=SPLIT, as_of=AS_OF)
    assert found.tracking.times.tolist() == [-2, -1, 0, 1, 2]


def test_the_unit_does_not_matter(polars_log):
    weekly = polars_log.validate(WEEKLY, split=SPLIT, as_of=AS_OF)
    daily = WEEKLY.model_copy(update={"alpha": WEEKLY.alpha * 7, "unit": "day"})
    again = polars_log.validate(daily, split=SPLIT, as_of=AS_OF)
    assert again.expected == pytest.approx(weekly.expected, rel=1e-12)
    oldest = (SPLIT - min(order.day for order in ORDERS)).days
    assert again.tracking.times.tolist() == list(range(-oldest, 61))
    assert again.tracking.actual[-1] == weekly.tracking.actual[-1]


def test_who_bought_on_the_last_day_only():
    log = Transactions(pl.DataFrame({"customer": [7], "time": [AS_OF]}), customer="customer", time="time")
    found = log.histories(as_of=AS_OF, unit="week")
    assert rows_of(found) == [(0, 0, 0, 1)]
    row = log.predict(WEEKLY, horizon=52, as_of=AS_OF).to_dicts()[0]
    assert row["expected_purchases"] == pytest.approx(WEEKLY.expected_purchases(52))
    assert row["probability_alive"] == 1


def test_diagnosis_takes_money_from_the_histories(cdnow_sample):
    log = Transactions(pl.from_arrow(cdnow_sample), **NAMES)
    found = diagnose(log.histories(as_of=CALIBRATION, unit="week", spend=True))
    table = predictive_oracles.cdnow(cdnow_sample)
    again = table["frequency"] > 0
    expected = np.corrcoef(table["frequency"][again], table["monetary_value"][again])[0, 1]
    assert found.correlation == pytest.approx(expected)
    assert diagnose(log.histories(as_of=CALIBRATION, unit="week")).correlation is None


def test_what_is_refused(polars_log):
    poor = Transactions(pl.from_arrow(pa.table(columns(ORDERS))), customer="customer", time="time")
    with pytest.raises(InvalidValue, match="unit must be one of .* did you mean 'week'"):
        polars_log.histories(as_of=AS_OF, unit="weeks")
    with pytest.raises(InvalidValue, match="spend needs the amounts of the log"):
        poor.histories(as_of=AS_OF, unit="week", spend=True)
    with pytest.raises(InvalidValue, match="units of time differ: 'month' was asked for .* per 'week'"):
        polars_log.predict(WEEKLY, horizon=3, as_of=AS_OF, unit="month")
    with pytest.raises(InvalidValue, match="the model does not say its unit of time: pass unit="):
        polars_log.predict(BgNbd(r=1, alpha=2, a=1, b=2), horizon=3, as_of=AS_OF)
    with pytest.raises(InvalidValue, match="the model does not say its unit of time: pass unit="):
        polars_log.validate(BgNbd, split=SPLIT, as_of=AS_OF)
    with pytest.raises(InvalidValue, match="horizon must be a finite number >= 0"):
        polars_log.predict(WEEKLY, horizon=-1, as_of=AS_OF)
    with pytest.raises(InvalidValue, match="horizon must be a whole number >= 1"):
        polars_log.predict(WEEKLY, horizon=1.5, as_of=AS_OF, spend=SPEND)
    with pytest.raises(InvalidValue, match="discount must be a finite number >= 0"):
        polars_log.predict(WEEKLY, horizon=3, as_of=AS_OF, spend=SPEND, discount=-1)
    with pytest.raises(InvalidType, match="model must be a PurchaseModel or its Fit, got GammaGamma"):
        polars_log.predict(SPEND, horizon=3, as_of=AS_OF)
    with pytest.raises(InvalidType, match="spend must be a GammaGamma or its Fit, got BgNbd"):
        polars_log.predict(WEEKLY, horizon=3, as_of=AS_OF, spend=WEEKLY)
    with pytest.raises(InvalidType, match="its Fit, or its class, got GammaGamma"):
        polars_log.validate(GammaGamma, split=SPLIT, as_of=AS_OF, unit="week")
    with pytest.raises(InvalidValue, match="split must be before as_of, got 2024-03-31 and 2024-03-31"):
        polars_log.validate(WEEKLY, split=AS_OF, as_of=AS_OF)
    with pytest.raises(InvalidValue, match="nobody bought up to split 2023-01-01"):
        polars_log.validate(WEEKLY, split="2023-01-01", as_of=AS_OF)
    broken = pl.DataFrame({"customer": [None, "a"], "time": [AS_OF, AS_OF]})
    unknown = Transactions(broken, customer="customer", time="time")
    with pytest.raises(InvalidRows, match="null customer"):
        unknown.histories(as_of=AS_OF, unit="day")


def test_rows_left_out_are_counted():
    orders = [Order("a", dt.datetime(2024, 1, 1), 3.0), Order("a", dt.datetime(2025, 1, 1), 4.0)]
    found = Transactions(pl.from_arrow(pa.table(columns(orders))), **NAMES).histories(as_of=AS_OF, unit="day")
    assert found.excluded == {"after as_of": 1}
