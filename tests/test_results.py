"""How results read in a console and in a notebook, and how they travel."""

import inspect
import json
import math

import numpy as np
import pytest

import retention_metrics as rm
from retention_metrics import churn, cohorts, prepaid, survival
from retention_metrics._results import Readable, Result, text_table

HOSTILE = '<script>alert("1 & 2")</script>'


def curve():
    return survival.nelson_aalen([1, 2, 3, 4, 5], [1, 0, 1, 1, 0])


def triangle():
    return cohorts.from_counts([[40, 20, 10], [50, 25, None]], start="2026-01-01")


def dormant():
    plan = prepaid.PackagePlan(id="ten", price=100_000, sessions=10)
    sale = {"kind": "purchase", "date": "2026-01-10", "package": "p1", "customer": HOSTILE, "plan": "ten"}
    return prepaid.Ledger.from_events([sale], [plan], as_of="2026-12-31").dormant()


RESULTS = {
    "a frozen dataclass": curve,
    "a table with its own text": triangle,
    "a model": lambda: churn.losses_by_reason({"price": 3, HOSTILE: 2}),
    "a list of customers": dormant,
}


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_a_console_shows_the_text_and_a_notebook_the_same_escaped(make):
    result = make()
    assert repr(result) == str(result)
    assert len(str(result).splitlines()) <= 40
    page = result._repr_html_()
    assert page.startswith("<pre")
    assert page.endswith("</pre>")
    assert "<script>" not in page


def test_a_hostile_name_is_escaped_in_a_notebook():
    assert "&lt;script&gt;alert(&quot;1 &amp; 2&quot;)&lt;/script&gt;" in dormant()._repr_html_()


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_json_holds_what_the_dict_holds(make):
    result = make()

    def same(there, here):
        if isinstance(here, dict):
            return there.keys() == here.keys() and all(same(there[key], here[key]) for key in here)
        if isinstance(here, list | tuple):
            return len(there) == len(here) and all(map(same, there, here))
        if isinstance(here, float):
            return there is None if math.isnan(here) else there == here
        return there == (here.isoformat() if hasattr(here, "isoformat") else here)

    assert same(json.loads(result.to_json()), result.to_dict())


def test_the_text_made_of_columns():
    """By hand: Nelson-Aalen steps 1/5, 1/3, 1/2."""
    lines = str(curve()).splitlines()
    assert lines[0] == "CumulativeHazard"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["time", "hazard"],
        ["1", "0.2000"],
        ["2", "0.2000"],
        ["3", "0.5333"],
        ["4", "1.0333"],
        ["5", "1.0333"],
    ]


def test_a_long_table_shows_both_ends():
    lines = text_table({"n": list(range(1000)), "half": [value / 2 for value in range(1000)]}).splitlines()
    assert len(lines) == 26
    assert (lines[0].split(), lines[1].split()) == (["n", "half"], ["0", "0.00"])
    assert lines[13].split() == ["...", "..."]
    assert lines[-1].split() == ["999", "499.50"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (math.nan, "-"), (1234567, "1,234,567"), (True, "True"), (1e15, "1e+15"), (-0.125, "-0.12")],
)
def test_a_cell(value, text):
    assert text_table({"x": [value]}).split() == ["x", text]


def test_every_result_with_a_dict_is_a_result():
    """Tables say so of themselves: nobody is left without JSON and a text."""
    left_out = []
    rooms = [room for room in map(rm.__dict__.get, rm.__all__) if inspect.ismodule(room)]
    assert len(rooms) > 10
    for room in rooms:
        for name in room.__all__:
            found = getattr(room, name)
            if inspect.isclass(found) and "to_frame" in vars(found) and not issubclass(found, Result):
                left_out.append(f"{room.__name__}.{name}")
    assert left_out == []


def test_results_cannot_be_given_more_fields():
    assert not hasattr(curve(), "__dict__")
    assert (Readable.__slots__, Result.__slots__) == ((), ())
    with pytest.raises((AttributeError, TypeError)):
        curve().other = np.zeros(1)
