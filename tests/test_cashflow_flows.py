"""Flows: shapes, whole numbers, and the flows of a real book."""

import datetime as dt
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_metrics.cashflow import Flows
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan, RefundPolicy
from tests.test_prepaid_histories import SPAN, START, booked, random_history, random_options


def test_what_is_left_out_is_zero_and_arrays_are_read_only_copies():
    came = np.array([5, 6])
    flows = Flows(collections=came, liability=[3, 4])
    came[0] = 99
    assert flows.collections.tolist() == [5, 6]
    assert flows.commission.tolist() == [0, 0]
    assert (flows.periods, flows.paths, flows.names) == (2, 1, ["1", "2"])
    for name in ("collections", "liability", "commission"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(flows, name)[0] = 1


def test_an_array_that_cannot_be_written_to_is_not_copied():
    came = np.arange(6).reshape(3, 2)
    came = came.copy()
    came.flags.writeable = False
    flows = Flows(collections=came)
    assert flows.collections is came
    assert flows.paths == 2
    view = np.arange(6)[::2]
    view.flags.writeable = False
    assert Flows(collections=view).collections is not view


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint16, np.uint64, object])
def test_whole_numbers_of_any_kind(kind):
    flows = Flows(collections=np.array([1, 2, 3], dtype=kind))
    assert flows.collections.dtype == np.int64
    assert flows.collections.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"collections": [1.0, 2.0]}, InvalidType, r"collections must hold whole.*float64; convert.*prepaid\.to_minor"),
        ({"collections": [1, 2], "earned": [1, 2.5]}, InvalidType, r"earned must hold whole numbers.*to_minor"),
        ({"collections": [1, True]}, InvalidType, r"collections\[1\] must be a whole number, got True"),
        (
            {"collections": np.array([True])},
            InvalidType,
            "collections must hold whole numbers of minor units, got bool",
        ),
        ({"collections": [1, None]}, InvalidType, "collections must hold whole numbers of minor units, got object"),
        ({"collections": "12"}, InvalidType, "collections must hold whole numbers of minor units, got <U2"),
        ({"collections": 5}, InvalidValue, r"shape \(periods,\) or \(periods, paths\), got \(\)"),
        ({"collections": np.zeros((0, 3), int)}, InvalidValue, "collections is empty; pass at least one number"),
        ({"collections": []}, InvalidValue, "collections is empty"),
        ({"collections": np.zeros((2, 2, 2), int)}, InvalidValue, r"got \(2, 2, 2\)"),
        ({"collections": [[1], [1, 2]]}, InvalidValue, "collections must be a rectangular array of whole numbers"),
        (
            {"collections": [1, 2], "earned": [1]},
            InvalidValue,
            r"earned must have the shape of coll.*\(2,\), got \(1,\)",
        ),
        ({"collections": [1, 2], "liability": [0, -3]}, InvalidValue, r"liability\[1\] must be >= 0, got -3"),
        ({"collections": [[1, 2]], "cost_outstanding": [[0, -1]]}, InvalidValue, r"cost_outstanding\[0, 1\] must be"),
        ({"collections": [2**59]}, InvalidValue, r"the flows may add up to 5.76e\+17 minor units.*below 2\*\*59"),
        ({"collections": [2**57] * 4}, InvalidValue, r"may add up to"),
        ({"collections": [2**58], "refunds_paid": [-(2**58)]}, InvalidValue, r"may add up to"),
        ({"collections": [2**80]}, InvalidValue, r"collections\[0\] must be below 2\*\*59 minor units"),
        ({"collections": np.array([2**63], np.uint64)}, InvalidValue, r"collections\[0\] must be below 2\*\*59"),
        ({"collections": [1, 2], "labels": "ab"}, InvalidType, "labels must be a list of names, got str"),
        (
            {"collections": [1, 2], "labels": ("a",)},
            InvalidValue,
            "labels must name each of the 2 periods, got 1 names",
        ),
    ],
)
def test_flows_refuse(fields, error, message):
    with pytest.raises(error, match=message):
        Flows(**fields)


def test_flows_of_something_else():
    with pytest.raises(InvalidType, match=r"ledger must be a prepaid\.Ledger, got dict"):
        Flows.of_ledger({})
    plan = PackagePlan(id="ten", price=10, sessions=10)
    sale = {"kind": "purchase", "date": "2024-01-10", "package": 1, "customer": 1, "plan": "ten"}
    with pytest.raises(InvalidValue, match="did you mean 'month'"):
        Flows.of_ledger(Ledger.from_events([sale], [plan], as_of="2024-02-01"), period="months")


def test_what_refunds_keep_and_exceed():
    plan = PackagePlan(id="ten", price=1000, sessions=10, refund=RefundPolicy(fee=40))
    events = [
        {"kind": "purchase", "date": "2024-01-10", "package": each, "customer": each, "plan": "ten"}
        for each in (1, 2, 3)
    ]
    events += [
        {"kind": "refund", "date": "2024-02-10", "package": 1},
        {"kind": "refund", "date": "2024-03-10", "package": 2, "amount": 900},
        {"kind": "refund", "date": "2024-04-10", "package": 3, "amount": 1300},
    ]
    flows = Flows.of_ledger(Ledger.from_events(events, [plan], as_of="2024-04-30", allow_excess=True))
    assert flows.refunds_paid.tolist() == [0, 960, 900, 1300]
    assert flows.refund_fees.tolist() == [0, 40, 100, -300]
    assert flows.liability.tolist() == [3000, 2000, 1000, 0]


@given(st.integers(0, 2**32), st.sampled_from(["day", "week", "month", "quarter"]))
def test_flows_of_a_book_are_the_book_as_it_stood_at_each_close(seed, period):
    rng = random.Random(seed)
    plans, events = random_history(rng)
    for event in events:
        event.pop("recorded", None)
    options = random_options(rng)
    as_of = START + dt.timedelta(days=SPAN + 60)
    ledger = booked(events, plans, as_of, **options)
    if ledger is None:
        return
    flows = Flows.of_ledger(ledger, period)
    rolled = ledger.roll_forward(period)
    assert list(flows.labels) == rolled.labels
    closes = [each - dt.timedelta(days=1) for each in rolled.starts[1:]] + [as_of]
    for t in rng.sample(range(flows.periods), min(flows.periods, 6)):
        then = ledger.at(closes[t])
        assert flows.liability[t] == then.liability()
        assert flows.cost_outstanding[t] == then.cost_to_serve()
    income = flows.earned + flows.breakage + flows.refund_fees
    moved = flows.collections + rolled.taken_over - income - flows.refunds_paid
    np.testing.assert_array_equal(np.cumsum(moved), rolled.liability - rolled.contract_asset)
