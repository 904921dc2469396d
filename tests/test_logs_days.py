"""Days of purchase worked out once: every answer is that of the log itself."""

import datetime as dt
import warnings

import duckdb
import numpy as np
import polars as pl
import pytest

from retention_metrics.errors import InvalidRows
from retention_metrics.logs import Transactions
from retention_metrics.predictive import MbgNbd

pytestmark = [
    pytest.mark.filterwarnings("ignore::retention_metrics.errors.RowsExcludedWarning"),
    pytest.mark.filterwarnings("ignore::retention_metrics.churn.ShortWindowWarning"),
]

FIRST, AS_OF, SPLIT = dt.datetime(2025, 1, 1), dt.date(2025, 9, 30), dt.date(2025, 6, 30)


def sold(customers, orders, *, seed=11):
    """Orders of customers who buy at their own pace; some on one day, some paid back, some after the last day."""
    rng = np.random.default_rng(seed)
    who = np.minimum(rng.geometric(2 / customers, orders), customers)
    hours = rng.integers(0, 300 * 24, orders)
    return {
        "customer": [f"c{number:03}" for number in who],
        "time": [FIRST + dt.timedelta(hours=int(n)) for n in hours],
        "amount": np.round(rng.normal(40, 25, orders)).tolist(),
        "shop": [["north", "south"][number % 2] for number in who],
    }


def answers(log, engine):
    asked = {"as_of": AS_OF}
    yield log.purchase_cycle(**asked)
    yield log.retention_by_period(**asked, lost_after=45).to_dict()
    yield from of_histories(log.histories(**asked, unit="week", spend=True))
    if engine.name in {"spark", "dask"}:  # seconds a question
        return
    yield log.repeat_purchase_rate(**asked, min_age=60)
    yield log.retention_by_period(**asked, period="week", lost_after=10, dated="last_purchase").to_dict()
    yield log.summary(**asked)
    for options in ({}, {"opportunities": True}):
        yield from of_histories(log.histories(**asked, unit="month", **options))
    told = log.validate(MbgNbd(r=0.5, alpha=4, a=0.8, b=2.5, unit="week"), split=SPLIT, as_of=AS_OF, unit="week")
    yield told.actual, told.expected, told.tracking.actual.tolist()
    for frame in (log.lost(**asked), log.rfm(**asked)):
        yield [{k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in engine.rows(frame)]


def of_histories(found):
    assert found.excluded["after as_of"] > 10
    yield found.excluded
    yield [getattr(found, name).tolist() for name in ("frequency", "recency", "T", "weights")]
    yield None if found.monetary_value is None else np.round(found.monetary_value, 6).tolist()


def test_every_answer_is_that_of_the_log_itself(engine):
    log = Transactions(engine.frame(**sold(60, 500)), customer="customer", time="time", amount="amount")
    expected = list(answers(log, engine))
    with log.prepared(as_of=AS_OF) as prepared:
        for plain, found in zip(expected, answers(prepared, engine), strict=True):
            np.testing.assert_equal(found, plain)


def test_other_questions_go_to_the_log_itself():
    log = Transactions(pl.DataFrame(sold(60, 500)), customer="customer", time="time", amount="amount")
    with log.prepared(as_of=AS_OF) as prepared:
        for asked in ({"as_of": SPLIT}, {"as_of": AS_OF, "by": "shop"}):
            assert prepared.purchase_cycle(**asked) == log.purchase_cycle(**asked)
            one, other = (each.histories(unit="week", **asked) for each in (prepared, log))
            assert str(one) == str(other)
        earlier, now = (prepared.histories(as_of=day, unit="week").customers for day in (SPLIT, AS_OF))
        assert earlier < now


def test_the_log_is_read_once():
    """What DuckDB keeps does not follow the table any more; the log itself does."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE orders AS SELECT 'ann' AS who, DATE '2025-01-05' + (10 * i)::INTEGER AS day FROM range(3) t(i)"
    )
    log = Transactions(connection.table("orders"), customer="who", time="day")
    with log.prepared(as_of=AS_OF) as prepared:
        connection.execute("INSERT INTO orders VALUES ('bob', '2025-01-07')")
        assert prepared.repeat_purchase_rate(as_of=AS_OF).denominator == 1
        assert log.repeat_purchase_rate(as_of=AS_OF).denominator == 2
        assert len(connection.execute("SELECT * FROM duckdb_tables()").fetchall()) == 2
    assert len(connection.execute("SELECT * FROM duckdb_tables()").fetchall()) == 1


def test_rows_that_cannot_be_used_are_refused_at_once():
    log = Transactions(pl.DataFrame({"who": ["ann", None], "day": [AS_OF, AS_OF]}), customer="who", time="day")
    with pytest.raises(InvalidRows, match="null customer"), log.prepared(as_of=AS_OF):
        pass


def test_a_short_window_is_warned_of_where_the_question_is_asked():
    log = Transactions(pl.DataFrame(sold(60, 500)), customer="customer", time="time", amount="amount")
    with log.prepared(as_of=AS_OF) as prepared, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prepared.retention_by_period(as_of=AS_OF, lost_after=1)
    assert [warning.filename for warning in caught] == [__file__]
