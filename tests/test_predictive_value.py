"""Values of customers: recomputed period by period, with intervals against simulation, and in one unit of time."""

import dataclasses

import numpy as np
import pytest

from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.predictive import BgNbd, GammaGamma, Histories, MbgNbd, ParetoNbd, customer_lifetime_value
from tests import predictive_oracles as oracles

WEEKLY = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
CUSTOMERS = {
    "frequency": [2, 0, 12],
    "recency": [30.43, 0, 35.0],
    "T": [38.86, 38.86, 36.0],
    "monetary_value": [22.35, 0, 80.0],
}
TERMS = {"horizon": 52, "discount": 0.002, "per": "week"}


@pytest.fixture(scope="module")
def fits(cdnow_sample):
    table = oracles.cdnow(cdnow_sample)
    buying = BgNbd.fit(**oracles.purchases(table), unit="week")
    paying = GammaGamma.fit(frequency=table["frequency"], monetary_value=table["monetary_value"])
    asked = {name: table[name] for name in CUSTOMERS}
    return buying, paying, asked


@pytest.mark.parametrize("timing", ["start", "end"])
def test_period_by_period_for_one_customer_after_the_other(timing):
    found = customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, **TERMS, margin=0.3, timing=timing)
    for i in range(3):
        place = {name: CUSTOMERS[name][i] for name in ("frequency", "recency", "T")}
        until = [WEEKLY.expected_purchases(k, **place) for k in range(53)]
        shift = 1 if timing == "end" else 0
        worth = sum((until[k + 1] - until[k]) / 1.002 ** (k + shift) for k in range(52))
        spend = SPEND.expected_spend(frequency=CUSTOMERS["frequency"][i], monetary_value=CUSTOMERS["monetary_value"][i])
        assert found.values[i] == pytest.approx(0.3 * worth * spend, rel=1e-11)
        assert found.purchases[i] == pytest.approx(worth, rel=1e-11)
        assert found.spend[i] == pytest.approx(spend)
    assert found.total == pytest.approx(found.values.sum())
    assert found.intervals is None


def test_without_discount_it_is_purchases_times_spend():
    for model in (WEEKLY, MbgNbd(r=0.5, alpha=6, a=0.9, b=1.6), ParetoNbd(r=0.5, alpha=10, s=0.6, beta=11)):
        found = customer_lifetime_value(model, SPEND, **CUSTOMERS, horizon=9, discount=0, per="week")
        history = {name: CUSTOMERS[name] for name in ("frequency", "recency", "T")}
        assert found.purchases == pytest.approx(model.expected_purchases(9, **history), rel=1e-12)


def test_a_long_horizon_comes_near_the_value_of_all_time():
    found = customer_lifetime_value(
        WEEKLY, SPEND, **{name: value[:1] for name, value in CUSTOMERS.items()}, horizon=400, discount=0.06, per="week"
    )
    history = {name: CUSTOMERS[name][:1] for name in ("frequency", "recency", "T")}
    ever = WEEKLY.expected_residual_transactions(0.06, **history)
    assert found.purchases[0] < ever[0]
    assert found.purchases[0] * 1.06**0.5 == pytest.approx(ever[0], rel=1e-3)


def test_weights_and_the_total():
    counted = customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, **TERMS, weights=[10, 0, 2])
    assert counted.total == pytest.approx((counted.values * [10, 0, 2]).sum())


def test_intervals_against_a_cloud_of_parameters(fits):
    buying, paying, asked = fits
    few = {name: column[:40] for name, column in asked.items()}
    found = customer_lifetime_value(buying, paying, **few, **TERMS)
    rng = np.random.default_rng(0)

    def draw(fit):
        values = np.array(list(fit.model.parameters.values()))
        spread = np.array(fit.covariance) / np.outer(values, values)
        return [fit.model.moved(row) for row in np.exp(rng.multivariate_normal(np.log(values), spread, 300))]

    cloud = [
        customer_lifetime_value(one, two, **few, **TERMS) for one, two in zip(draw(buying), draw(paying), strict=True)
    ]
    for values, low, high in (
        (np.array([one.total for one in cloud])[:, None], found.total_interval.low, found.total_interval.high),
        (np.array([one.values for one in cloud]), found.intervals.low, found.intervals.high),
    ):
        seen = np.quantile(values, [0.025, 0.975], axis=0)
        width = seen[1] - seen[0]
        assert (np.abs(seen[0] - low) < 0.3 * width).all()
        assert (np.abs(seen[1] - high) < 0.3 * width).all()
    assert (found.intervals.low < found.values).all()
    assert (found.values < found.intervals.high).all()
    assert found.total_interval.low < found.total < found.total_interval.high
    assert found.to_frame("polars").columns == ["values", "purchases", "spend", "low", "high"]
    assert "40 customers will bring" in str(found)


def test_one_customer_in_plain_numbers_out(fits):
    buying, paying, _ = fits
    plain = {name: column[0] for name, column in CUSTOMERS.items()}
    one, many = (customer_lifetime_value(buying, paying, **who, **TERMS) for who in (plain, CUSTOMERS))
    for name in ("values", "purchases", "spend"):
        assert type(getattr(one, name)) is float
        assert getattr(one, name) == pytest.approx(getattr(many, name)[0], rel=1e-12)
    assert one.total == one.values
    assert one.intervals.low == pytest.approx(many.intervals.low[0], rel=1e-9)
    assert one.intervals.high == pytest.approx(one.total_interval.high, rel=1e-9)
    assert one.to_frame("polars").rows()[0] == pytest.approx(many.to_frame("polars").rows()[0])
    assert str(one).startswith("1 customer will bring")
    assert type(customer_lifetime_value(WEEKLY, SPEND, **plain, **TERMS).values) is float


def test_histories_of_a_log_are_the_whole_base(fits):
    buying, paying, asked = fits
    mean = np.where(asked["frequency"] > 0, asked["monetary_value"], np.nan)
    places = [asked[name][:30] for name in ("frequency", "recency", "T")]
    base = Histories(*places, np.full(30, 3.0), "week", monetary_value=mean[:30])
    found = customer_lifetime_value(buying, paying, histories=base, **TERMS)
    few = {name: column[:30] for name, column in asked.items()}
    expected = customer_lifetime_value(buying, paying, **few, **TERMS, weights=[3] * 30)
    assert found.values.tolist() == expected.values.tolist()
    assert (found.total, found.total_interval, found.customers) == (expected.total, expected.total_interval, 90)
    assert str(found).startswith("90 customers will bring")
    with pytest.raises(InvalidValue, match="pass either histories, or frequency=.*, not both"):
        customer_lifetime_value(buying, paying, histories=base, frequency=1, **TERMS)
    with pytest.raises(InvalidValue, match="hold no money: ask the log for them with spend=True"):
        customer_lifetime_value(buying, paying, histories=base.collapse(), **TERMS)
    with pytest.raises(InvalidValue, match="units of time differ: 'week' was asked for .* per 'day'"):
        customer_lifetime_value(buying, paying, histories=dataclasses.replace(base, unit="day"), **TERMS)
    with pytest.raises(InvalidType, match="histories must have frequency"):
        customer_lifetime_value(buying, paying, histories=3, **TERMS)


def test_a_loss_on_every_purchase_has_its_limits_in_order(fits):
    buying, paying, asked = fits
    few = {name: column[:5] for name, column in asked.items()}
    loss = customer_lifetime_value(buying, paying, **few, **TERMS, margin=-0.5)
    gain = customer_lifetime_value(buying, paying, **few, **TERMS, margin=0.5)
    assert loss.intervals.low == pytest.approx(-gain.intervals.high)
    assert loss.total_interval.high == pytest.approx(-gain.total_interval.low)


def test_what_is_refused():
    with pytest.raises(InvalidValue, match="a value needs histories, or frequency, recency, T and monetary_value"):
        customer_lifetime_value(WEEKLY, SPEND, **TERMS)
    with pytest.raises(InvalidValue, match="must be one number a customer"):
        customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, **TERMS, weights=[1, 2])

    with pytest.raises(InvalidValue, match="units of time differ: 'month' was asked for .* per 'week'"):
        customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, horizon=12, discount=0.01, per="month")
    with pytest.raises(InvalidType, match="purchases must be a PurchaseModel or its Fit, got GammaGamma"):
        customer_lifetime_value(SPEND, WEEKLY, **CUSTOMERS, **TERMS)
    with pytest.raises(InvalidValue, match="horizon must be a whole number >= 1"):
        customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, horizon=0, discount=0, per="week")
    with pytest.raises(InvalidValue, match="discount must be a finite number >= 0"):
        customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, horizon=3, discount=-0.1, per="week")
    with pytest.raises(InvalidValue, match="timing must be one of"):
        customer_lifetime_value(WEEKLY, SPEND, **CUSTOMERS, **TERMS, timing="middle")
    with pytest.raises(UndefinedMetric, match="no mean"):
        customer_lifetime_value(WEEKLY, GammaGamma(p=1, q=0.9, v=3), **CUSTOMERS, **TERMS)
