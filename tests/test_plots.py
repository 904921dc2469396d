"""Pictures: what is drawn is what the result says, it is labelled, and it fits on a page and on half of one."""

import shutil
import subprocess
import sys
from datetime import date
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.ticker import NullFormatter

from retention_metrics import cashflow, cohorts, growth, ltv, nps, plots, prepaid, revenue, survival
from retention_metrics.cohorts import CohortTable
from retention_metrics.errors import InvalidType, InvalidValue, MissingExtra, UndefinedMetric
from retention_metrics.plots import _style
from retention_metrics.predictive import PastRow, Tracking, Validation
from retention_metrics.redemption import RedemptionModel

mpl.use("agg")
ROOT = Path(__file__).parents[1]
PLAN = prepaid.PackagePlan(id="ten", price=15_000, sessions=10, cost_per_session=700)


def table_of_cohorts():
    """Observed with and without customers, still running, and ahead."""
    ahead = np.nan
    states = [["observed"] * 3 + ["partial"], ["observed"] * 2 + ["partial", "unobserved"]]
    return CohortTable(
        cohorts=(date(2026, 1, 1), date(2026, 2, 1)),
        sizes=np.array([40, 50]),
        retained=np.array([[40, 20, 0, 3], [50, 30, 5, ahead]]),
        states=np.array(states),
        period="month",
        as_of=date(2026, 4, 12),
    )


def trend_of_scores():
    score = nps.NpsScore
    counted = [(30, 10, 10), (20, 20, 20), None, (5, 1, 2)]
    steps = [
        nps.NpsStep(
            period=date(2026, month, 1),
            complete=month < 4,
            score=None if each is None else score(promoters=each[0], passives=each[1], detractors=each[2]),
            change=None,
        )
        for month, each in enumerate(counted, start=1)
    ]
    return nps.NpsTrend(period="month", as_of=date(2026, 4, 12), steps=tuple(steps), excluded={})


def scores_of_segments():
    return {
        "Park": nps.NpsScore(promoters=60, passives=20, detractors=20),
        "the salon at the harbour": nps.NpsScore(promoters=3, passives=2, detractors=15),
    }


def waterfall():
    return revenue.waterfall(
        start=400, new=60, reactivation=40, expansion=30, contraction=30, churn=50, transfer=-20, end=430
    )


def channels():
    table = {
        "channel": ["search", "coupons", "leaflets", "radio", "friends"],
        "spend": [2800.0, 1500.0, 500.0, 900.0, 0.0],
        "customers": [100, 100, 9, 0, 7],
        "ltv": [56.0, 12.0, 57.0, 60.0, 60.0],
    }
    return ltv.channels(table)


def projection():
    return growth.project(acquired=10, retention=0.9, periods=18, margin=5, spend=150)


def simulation():
    return growth.simulate(acquired=10, retention=0.9, periods=18, margin=5, spend=150, rng=1, paths=200)


def book(customers=40):
    events = []
    for who in range(customers):
        bought = 1 + who % 5
        events.append(
            {
                "kind": "purchase",
                "date": f"2026-{bought:02d}-03",
                "package": f"p{who}",
                "customer": f"c{who}",
                "plan": "ten",
            }
        )
        events += [
            {"kind": "visit", "date": f"2026-{month:02d}-{10 + visit}", "package": f"p{who}"}
            for month in range(bought, 7)
            for visit in range(1 + who % 2)
            if (who + month) % 3
        ]
    return prepaid.Ledger.from_events(events, [PLAN], as_of="2026-06-30")


def fit():
    return RedemptionModel.fit(book(), buckets=4, min_exposure=1)


def run():
    flows = cashflow.Flows(
        collections=[300_000, 0, 0, 50_000],
        delivery_cost=[0, 90_000, 90_000, 0],
        liability=[300_000, 150_000, 0, 50_000],
        labels=("2026-01", "2026-02", "2026-03", "2026-04"),
    )
    return cashflow.run_policy(flows, cashflow.FirmPolicy.spend_collections())


@pytest.fixture(scope="module")
def stressed():
    return cashflow.stress(
        model=RedemptionModel.two_state(active=0.5, dormant=0.04, lapse=0.3),
        sales=cashflow.SalesPath(40),
        plan=PLAN,
        policy=cashflow.FirmPolicy(fixed_costs=150_000),
        periods=36,
        paths=100,
        rng=1,
    )


def validation(tracked=True):
    rows = [(0, False, 1411.0, 0.24, 0.19, 0.0), (1, False, 439.0, 0.7, 0.55, 1.21), (2, True, 64.0, 6.4, 5.9, 12.4)]
    times = np.arange(-3.0, 4.0)
    return Validation(
        model="BgNbd",
        actual=900.0,
        expected=880.0,
        naive=1400.0,
        mean_absolute_error=0.7,
        naive_mean_absolute_error=0.9,
        root_mean_squared_error=1.1,
        naive_root_mean_squared_error=1.4,
        by_past=tuple(PastRow(past=p, more=m, customers=c, actual=a, expected=e, naive=n) for p, m, c, a, e, n in rows),
        counts=np.array([0.0, 1.0]),
        actual_customers=np.array([10.0, 4.0]),
        expected_customers=np.array([9.0, 5.0]),
        tracking=Tracking(times, np.arange(7.0) ** 2, 5.5 * np.arange(7.0)) if tracked else None,
    )


def curves():
    months, left = [2, 3, 3, 5, 8, 9, 12], [True, True, False, True, False, True, False]
    return {
        "monthly": survival.kaplan_meier(months, observed=left),
        "a year ahead": survival.kaplan_meier([6, 12, 12], observed=[True, False, False]),
    }


PICTURES = {
    "break_even": lambda _: (plots.break_even, simulation(), {"unit": "month", "money": "dollars"}),
    "break_even of a projection": lambda _: (plots.break_even, projection(), {}),
    "calibration": lambda _: (plots.calibration, validation(), {}),
    "cash_and_debt of a forecast": lambda stressed: (plots.cash_and_debt, stressed.forecasts["dip in sales"], {}),
    "cash_and_debt of a run": lambda _: (plots.cash_and_debt, run(), {"money": "euros"}),
    "channel_returns": lambda _: (plots.channel_returns, channels(), {}),
    "cohort_heatmap": lambda _: (plots.cohort_heatmap, table_of_cohorts(), {}),
    "cohort_heatmap of a large table": lambda _: (
        plots.cohort_heatmap,
        cohorts.from_counts(
            [[200, *(200 // age for age in range(2, 25 - row))] for row in range(24)], start="2024-01-01"
        ),
        {},
    ),
    "customer_base": lambda _: (plots.customer_base, simulation(), {"unit": "month"}),
    "nps_segments": lambda _: (plots.nps_segments, scores_of_segments(), {}),
    "nps_trend": lambda _: (plots.nps_trend, trend_of_scores(), {}),
    "reserve_curve": lambda stressed: (
        plots.reserve_curve,
        stressed.forecasts["as planned"].policy_table([0, 0.5, 0.2, 1]),
        {},
    ),
    "retention_curve": lambda _: (plots.retention_curve, table_of_cohorts(), {}),
    "revenue_waterfall": lambda _: (plots.revenue_waterfall, waterfall(), {"money": "dollars a month"}),
    "roll_forward": lambda _: (plots.roll_forward, book().roll_forward(), {"money": "euros"}),
    "stress_depths": lambda stressed: (plots.stress_depths, stressed, {"money": "euros"}),
    "survival_curves": lambda _: (plots.survival_curves, curves(), {"unit": "months"}),
    "tracking_curve": lambda _: (plots.tracking_curve, validation(), {"unit": "weeks"}),
    "visit_hazard": lambda _: (plots.visit_hazard, fit(), {}),
    "visits_by_period": lambda _: (plots.visits_by_period, fit().goodness_of_fit(), {}),
}
# Their scales leave room for words, so that marks move by a pixel or two with the letters of a version of matplotlib.
ROOM_FOR_TEXT = {"channel_returns", "cohort_heatmap of a large table", "nps_segments", "roll_forward", "stress_depths"}
SIZES = {"page": (7.4, 3.3), "half a page": (3.7, 2.8)}


def drawn(function, result, size="page", **options):
    figure = Figure(figsize=SIZES[size], layout="constrained", dpi=100)
    return function(result, ax=figure.subplots(), **options)


def without_texts(function, result, options):
    """The marks alone: they are the same for every version of matplotlib, while letters are not."""
    figure = Figure(figsize=SIZES["page"], dpi=60)
    function(result, ax=figure.subplots(), **options)
    for ax in figure.axes:
        for each in [*ax.texts, ax.get_legend()]:
            if each is not None:
                each.remove()
        ax.set(title="", xlabel="", ylabel="")
        ax.set_title("", loc="left")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(NullFormatter())
            axis.set_minor_formatter(NullFormatter())
    return figure


def texts_of(figure):
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            shown = [tick for tick in axis.get_major_ticks() if tick.get_visible()]
            low, high = sorted(axis.get_view_interval())
            yield from (
                each
                for tick in shown
                if low <= tick.get_loc() <= high
                for each in (tick.label1, tick.label2)
                if each.get_visible()
            )
            yield axis.label
        yield from ax.texts
        if ax.get_legend() is not None:
            yield from ax.get_legend().get_texts()


def line(ax, label):
    (found,) = (each for each in ax.lines if each.get_label() == label)
    return np.asarray(found.get_ydata(), dtype=float)


def band(ax, number=0):
    """Lowest and highest point of a filled band at each place."""
    path = [each for each in ax.collections if type(each).__name__ == "FillBetweenPolyCollection"][number]
    corners = path.get_paths()[0].vertices
    places = np.unique(corners[:, 0])
    return np.array([[corners[corners[:, 0] == x, 1].min(), corners[corners[:, 0] == x, 1].max()] for x in places]).T


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PICTURES)
def test_all_texts_fit_and_keep_clear_of_one_another(name, size, stressed, tmp_path):
    function, result, options = PICTURES[name](stressed)
    ax = drawn(function, result, size, **options)
    figure = ax.figure
    figure.savefig(tmp_path / "picture.png", metadata={"Description": plots.alt_text(figure)})
    boxes = {text: text.get_window_extent() for text in texts_of(figure) if text.get_text().strip()}
    assert len(boxes) > 4
    for text, box in boxes.items():
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, text.get_text()
    upright = [(text, box) for text, box in boxes.items() if text.get_rotation() % 90 == 0]
    for (one, first), (two, second) in combinations(upright, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert not (across > 1.5 and along > 1.5), (one.get_text(), two.get_text())


@pytest.mark.parametrize("name", PICTURES)
def test_the_marks_are_those_of_the_picture_that_was_looked_at(name, stressed, tmp_path):
    """A message names the picture as it is drawn now: look at it, and copy it to tests/pictures if it is right."""
    function, result, options = PICTURES[name](stressed)
    looked_at = Path(__file__).parent / "pictures" / f"{name.replace(' ', '_')}.png"
    now = tmp_path / looked_at.name
    without_texts(function, result, options).savefig(now)
    (tmp_path / "expected").mkdir()
    expected = shutil.copy(looked_at, tmp_path / "expected")
    assert compare_images(str(expected), str(now), tol=10 if name in ROOM_FOR_TEXT else 1) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PICTURES)
def test_the_legend_hides_no_data(name, size, stressed):
    function, result, options = PICTURES[name](stressed)
    ax = drawn(function, result, size, **options)
    ax.figure.draw_without_rendering()
    if ax.get_legend() is None:
        return
    key = ax.get_legend().get_window_extent()
    for each in ax.lines:
        points = each.get_transform().transform(each.get_xydata())
        assert not any(key.x0 < x < key.x1 and key.y0 + 2 < y < key.y1 for x, y in points), each.get_label()
    for bar in ax.patches:
        box = bar.get_window_extent()
        if bar.get_label() != "holdout":
            across = min(box.x1, key.x1) - max(box.x0, key.x0)
            assert across <= 0 or min(box.y1, key.y1) - max(box.y0, key.y0) <= 2


@pytest.mark.parametrize("name", PICTURES)
def test_the_axes_that_are_given_come_back_labelled_and_described(name, stressed):
    function, result, options = PICTURES[name](stressed)
    figure = Figure()
    ax = figure.subplots()
    assert function(result, ax=ax, **options) is ax
    assert ax.get_ylabel() or ax.yaxis.get_ticklabels()
    text = plots.alt_text(ax)
    assert text.endswith(".")
    assert any(letter.isdigit() for letter in text)
    assert plots.alt_text(figure) == text
    assert "nan" not in text


@pytest.mark.parametrize("name", PICTURES)
def test_without_axes_a_page_wide_figure_is_made_and_settings_stay(name, stressed):
    function, result, options = PICTURES[name](stressed)
    before = dict(mpl.rcParams)
    ax = function(result, **options)
    assert ax.figure.get_figwidth() == pytest.approx(7.4)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == [ax.figure.number]
    plt.close(ax.figure)


@pytest.mark.parametrize("name", PICTURES)
def test_another_result_is_refused(name, stressed):
    function, _, options = PICTURES[name](stressed)
    with pytest.raises(InvalidType, match=r"must be an? .*, got str|must be a .* got str"):
        function("a table", ax=Figure().subplots(), **options)


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_command_is_named(name, stressed, monkeypatch):
    function, result, options = PICTURES[name](stressed)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'retention-metrics\[plot\]'"):
        function(result, **options)


def test_every_picture_is_listed_here():
    assert {name.split(" ")[0] for name in PICTURES} | {"alt_text"} == set(plots.__all__)
    assert plots.__all__ == sorted(plots.__all__)


def test_importing_does_not_load_matplotlib():
    program = "import sys, retention_metrics.plots; print('matplotlib' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_the_style_is_that_of_the_pages():
    pages = mpl.rc_params_from_file(ROOT / "docs" / "house.mplstyle", use_default_template=False)
    with mpl.rc_context(_style.STYLE):
        assert {name: mpl.rcParams[name] for name in _style.STYLE} == {
            name: mpl.rcParams.validate[name](value) for name, value in pages.items()
        }


def test_colours_are_those_of_okabe_and_ito():
    published = {"#0072b2", "#d55e00", "#56b4e9", "#e69f00", "#009e73", "#cc79a7"}
    assert {colour.lower() for colour in _style.COLOURS} == published


def test_axes_of_nobody_have_no_words():
    with pytest.raises(InvalidType, match="picture must be axes that retention_metrics.plots drew, got Axes"):
        plots.alt_text(Figure().subplots())


def test_the_words_of_a_figure_are_those_of_its_axes():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    plots.customer_base(projection(), ax=left)
    plots.break_even(projection(), ax=right)
    assert plots.alt_text(figure) == f"{plots.alt_text(left)} {plots.alt_text(right)}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.333, "0.333"),
        (-50, "-50"),
        (1234.4, "1,234"),
        (320_000, "320 k"),
        (1_250_000, "1.25 M"),
        (-2.5e9, "-2.5 bn"),
    ],
)
def test_amounts_in_short(value, text):
    assert _style.amount(value) == text


def test_one_axis_has_one_unit():
    assert [_style.amount(each, like=20_000) for each in (0, 2_500, 17_500)] == ["0", "2.5 k", "17.5 k"]


def test_the_heat_map_masks_what_lies_ahead_and_marks_the_other_states():
    ax = drawn(plots.cohort_heatmap, table_of_cohorts())
    (mesh,) = ax.collections
    percent = mesh.get_array()
    assert percent.tolist() == [[100, 50, 0, 7.5], [100, 60, 10, None]]
    colours = [to_hex(colour) for colour in mesh.to_rgba(percent).reshape(-1, 4)]
    assert colours[2] == "#f5d3bf"
    assert colours.count("#f5d3bf") == 1
    frames = {(round(bar.get_x() + 0.44), round(bar.get_y() + 0.42)) for bar in ax.patches}
    assert frames == {(3, 0), (2, 1)}
    assert [text.get_text() for text in ax.texts] == ["100", "50", "0", "8", "100", "60", "10"]
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["nobody came", "period still running", "blank: lies ahead"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["2026-01 (40)", "2026-02 (50)"]
    assert mesh.norm.vmax == 60


def test_a_small_share_is_not_a_zero():
    table = cohorts.from_counts([[1000, 2, 0], [1000, 4], [1000]], start="2026-01-01")
    ax = drawn(plots.cohort_heatmap, table)
    assert [text.get_text() for text in ax.texts] == ["100", "<1", "0", "100", "<1", "100"]


def test_a_wide_table_has_a_colour_bar_in_place_of_figures():
    table = cohorts.from_counts([[100 - i for i in range(40)]], start="2025-12-29", period="week")
    ax = drawn(plots.cohort_heatmap, table, "half a page")
    assert not ax.texts
    assert ax.figure.axes[1].get_ylabel() == "customers counted, %"


def test_retention_is_pooled_over_observed_cells():
    ax = drawn(plots.retention_curve, table_of_cohorts())
    assert line(ax, "all cohorts") == pytest.approx([100 * 50 / 90, 0])
    low, high = band(ax)
    # Wilson's limits of 0 of 40 are 0 and z^2 / (n + z^2).
    assert low[1] == 0
    assert high[1] == pytest.approx(100 * 1.959964**2 / (40 + 1.959964**2))
    assert low[0] < 100 * 50 / 90 < high[0]


def test_no_retention_without_an_age_after_the_first():
    table = cohorts.from_counts([[4]], start="2026-01-01")
    with pytest.raises(UndefinedMetric, match="no cohort has an observed age after the first"):
        drawn(plots.retention_curve, table)


def test_survival_curves_are_steps_from_one_hundred():
    given = curves()
    ax = drawn(plots.survival_curves, given, unit="months")
    assert ax.get_xlabel() == "months since the start"
    for name, curve in given.items():
        (found,) = (each for each in ax.lines if each.get_label() == name)
        assert found.get_drawstyle() == "steps-post"
        assert found.get_xdata().tolist() == [0, *curve.times]
        assert found.get_ydata() == pytest.approx([100, *100 * curve.survival])
    low, high = band(ax)
    assert 0 <= low.min() <= high.max() <= 100
    assert low.min() == pytest.approx(100 * np.nanmin(given["monthly"].interval().low))


def test_a_curve_that_reaches_zero_is_drawn():
    ax = drawn(plots.survival_curves, survival.kaplan_meier([1, 2, 3]))
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([100, 200 / 3, 100 / 3, 0])
    assert ax.get_legend() is None


def test_curves_beyond_six_are_refused():
    curve = survival.kaplan_meier([1, 2])
    with pytest.raises(InvalidValue, match="curves must be 1 to 6, so that they can be told apart, got 7"):
        plots.survival_curves({str(i): curve for i in range(7)})
    with pytest.raises(InvalidValue, match="got 0"):
        plots.survival_curves({})


def test_the_trend_has_a_gap_and_a_hollow_mark():
    trend = trend_of_scores()
    ax = drawn(plots.nps_trend, trend)
    (points,) = (each for each in ax.lines if each.get_label() == "score")
    assert list(points.get_xdata()) == [0, 1, 3]
    assert points.get_ydata() == pytest.approx([40, 0, 37.5])
    (running,) = (each for each in ax.lines if each.get_label() == "period still running")
    assert running.get_xdata()[0] == 3
    assert running.get_markerfacecolor() == "white"
    spans = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    scores = [step.score for step in trend.steps if step.score]
    assert spans == [[score.interval().low, score.interval().high] for score in scores]
    assert [tick.get_text() for tick in ax.get_xticklabels()][2] == "2026-03\nn = 0"


def test_a_trend_without_answers_is_refused():
    empty = nps.NpsTrend(period="month", as_of=date(2026, 4, 12), steps=(), excluded={})
    with pytest.raises(InvalidValue, match="an answer in at least one period"):
        plots.nps_trend(empty)


def test_segments_are_rows_in_their_order():
    scores = scores_of_segments()
    ax = drawn(plots.nps_segments, scores, level=0.8)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(scores)
    assert [each.get_xdata()[0] for each in ax.lines if each.get_marker() == "o"] == pytest.approx([40, -60])
    spans = [each.get_segments()[0][:, 0].tolist() for each in ax.collections]
    assert spans == [[score.interval(0.8).low, score.interval(0.8).high] for score in scores.values()]
    compared = drawn(plots.nps_segments, nps.compare_segments(scores))
    assert [text.get_text() for text in compared.texts] == ["40 (n = 100)", "-60 (n = 20)"]


def test_no_segment_is_refused():
    with pytest.raises(InvalidValue, match="at least one score"):
        plots.nps_segments({})
    with pytest.raises(InvalidType, match=r"segments\['Park'\] must be a NpsScore, got int"):
        plots.nps_segments({"Park": 40})


def test_the_steps_of_the_waterfall_join_up():
    ax = drawn(plots.revenue_waterfall, waterfall())
    names = [tick.get_text() for tick in ax.get_xticklabels()]
    assert names == ["start", "new", "reactivation", "expansion", "contraction", "churn", "transfer", "end"]
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [400, 60, 40, 30, -30, -50, -20, 430]
    level = 400
    for bar in ax.patches[1:-1]:
        assert bar.get_y() == level
        level += bar.get_height()
    assert level == heights[-1]
    losses = {to_hex(bar.get_facecolor()) for bar in ax.patches if bar.get_height() < 0}
    assert losses == {"#d55e00"}


def test_an_empty_waterfall_is_drawn():
    still = revenue.waterfall(start=0, new=0, expansion=0, contraction=0, churn=0, end=0)
    ax = drawn(plots.revenue_waterfall, still)
    assert [bar.get_height() for bar in ax.patches] == [0, 0]
    assert plots.alt_text(ax).endswith("nothing moved.")


def test_channels_show_the_ratio_and_what_is_unknown():
    found = channels()
    ax = drawn(plots.channel_returns, found)
    dots = [(each.get_xdata()[0], each.get_ydata()[0]) for each in ax.lines if each.get_marker() == "o"]
    assert dots == [pytest.approx((2.0, 0)), pytest.approx((0.8, 1)), pytest.approx((57 * 9 / 500, 2))]
    spans = [each.get_segments()[0][:, 0] for each in ax.collections[:3]]
    for span, row in zip(spans, found.rows, strict=False):
        assert span.tolist() == pytest.approx([row.ltv / row.interval.high, row.ltv / row.interval.low])
    (arrow,) = (each for each in ax.lines if each.get_marker() == "<")
    assert arrow.get_xdata()[0] == pytest.approx(60 / found.row("radio").at_least)
    assert [text.get_text() for text in ax.texts][3:] == [
        f"at most {60 / found.row('radio').at_least:.2f}: nobody came",
        "costs nothing",
    ]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_channels_without_lifetime_values_have_no_ratio():
    with pytest.raises(UndefinedMetric, match="no channel has a lifetime value"):
        plots.channel_returns(ltv.channels({"channel": ["a"], "spend": [5.0], "customers": [1]}))


def test_the_base_starts_at_the_start_with_the_band_around_it():
    found = simulation()
    ax = drawn(plots.customer_base, found)
    assert line(ax, "expected").tolist() == [0, *found.expected.active]
    low, high = band(ax)
    assert low.tolist() == [0, *found.active_band.low]
    assert high.tolist() == [0, *found.active_band.high]


def test_break_even_is_marked_where_the_line_first_reaches_zero():
    plan = projection()
    ax = drawn(plots.break_even, plan, unit="month", money="euros")
    (diamond,) = (each for each in ax.lines if each.get_marker() == "D")
    # Customers after t months are 100 (1 - 0.9^t); 5 each come in and 150 are spent a month.
    sums = np.cumsum([500 * (1 - 0.9**t) - 150 for t in range(1, 19)])
    paid = int(np.argmax(sums >= 0)) + 1
    assert diamond.get_xdata()[0] == paid
    assert diamond.get_ydata()[0] == pytest.approx(sums[paid - 1])
    assert line(ax, "expected") == pytest.approx([0, *sums])
    assert ax.get_ylabel() == "margin less spend so far, euros"


def test_no_break_even_is_said():
    ax = drawn(plots.break_even, growth.project(acquired=1, retention=0.5, periods=3, margin=1, spend=100))
    assert "No break-even" in plots.alt_text(ax)
    assert all(each.get_marker() != "D" for each in ax.lines)
    with pytest.raises(UndefinedMetric, match="without a margin"):
        plots.break_even(growth.project(acquired=1, retention=0.5, periods=3))


def test_the_roll_forward_is_in_major_units_and_groups_are_added_up():
    rolled = book().roll_forward()
    ax = drawn(plots.roll_forward, rolled)
    assert [bar.get_height() for bar in ax.patches] == (rolled.collections / 100).tolist()
    assert line(ax, "earned").tolist() == (rolled.earned / 100).tolist()
    assert line(ax, "owed at the close").tolist() == (rolled.liability / 100).tolist()
    yen = drawn(plots.roll_forward, rolled, exponent=0)
    assert line(yen, "earned").tolist() == rolled.earned.tolist()
    by_plan = drawn(plots.roll_forward, book().roll_forward(by="plan"))
    assert line(by_plan, "earned").tolist() == line(ax, "earned").tolist()


def test_a_run_shows_its_gap():
    ax = drawn(plots.cash_and_debt, run())
    assert line(ax, "cash before the draw").tolist() == [3000, -900, -1800, -1300]
    assert line(ax, "owed to customers").tolist() == [3000, 1500, 0, 500]
    low, high = band(ax)
    assert low.min() == -1800
    assert high.max() == 0
    assert "Periods with a gap: 3." in plots.alt_text(ax)


def test_a_forecast_shows_its_bands(stressed):
    forecast = stressed.forecasts["dip in sales"]
    ax = drawn(plots.cash_and_debt, forecast, level=0.8)
    bands = forecast.bands(0.8)
    assert line(ax, "cash before the draw").tolist() == (bands.median["low"] / 100).tolist()
    for number, name in enumerate(("liability", "low")):
        low, high = band(ax, number)
        assert low.tolist() == (bands.low[name] / 100).tolist()
        assert high.tolist() == (bands.high[name] / 100).tolist()


def test_a_run_of_many_paths_is_refused():
    flows = cashflow.Flows(collections=[[1, 2], [3, 4]])
    many = cashflow.run_policy(flows, cashflow.FirmPolicy())
    with pytest.raises(InvalidValue, match="one path to be drawn, got 2 paths"):
        plots.cash_and_debt(many)


def test_ratios_of_the_reserve_ascend(stressed):
    table = stressed.forecasts["as planned"].policy_table([0, 0.5, 0.2, 1])
    ax = drawn(plots.reserve_curve, table)
    assert ax.lines[0].get_xdata().tolist() == [0, 20, 50, 100]
    assert ax.lines[0].get_ydata().tolist() == (100 * table.gap_probability[[0, 2, 1, 3]]).tolist()
    low, high = band(ax)
    assert low.tolist() == (100 * table.low[[0, 2, 1, 3]]).tolist()
    assert high.tolist() == (100 * table.high[[0, 2, 1, 3]]).tolist()


def test_a_stress_test_has_a_bar_for_each_row(stressed):
    ax = drawn(plots.stress_depths, stressed)
    by_policy = sorted(stressed.rows, key=lambda row: row.policy != "spend_collections")
    assert [bar.get_width() for bar in ax.patches] == [row.depth_95 / 100 for row in by_policy]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "as planned",
        "dip in sales",
        "wave of returns",
        "run on refunds",
    ]


def test_what_cannot_happen_is_said(stressed):
    rows = [cashflow.StressRow(scenario="run on refunds", policy="ring_fence", reason="nobody may give back")]
    ax = drawn(plots.stress_depths, cashflow.StressTest(tuple(rows), {}))
    assert [text.get_text() for text in ax.texts] == ["cannot happen"]


def test_the_hazard_stands_within_its_interval():
    given = fit()
    ax = drawn(plots.visit_hazard, given)
    counts = given.visits.sum(axis=0), (given.exposure - given.refunds).sum(axis=0)
    visits, trials = (np.bincount(given.group, each)[given.group] for each in counts)
    assert line(ax, "chance of a visit") == pytest.approx(100 * visits / trials)
    for segment, chance in zip(ax.collections[0].get_segments(), 100 * visits / trials, strict=True):
        assert segment[0, 1] <= chance <= segment[1, 1]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "2", "3+"]


def test_visits_that_came_are_bars():
    goodness = fit().goodness_of_fit()
    ax = drawn(plots.visits_by_period, goodness)
    assert [bar.get_height() for bar in ax.patches] == goodness.observed.tolist()
    assert line(ax, "expected").tolist() == goodness.expected.tolist()


def test_the_tracking_curve_shades_the_holdout():
    ax = drawn(plots.tracking_curve, validation())
    assert line(ax, "what came").tolist() == [0, 1, 4, 9, 16, 25, 36]
    assert line(ax, "BgNbd").tolist() == [0, 5.5, 11, 16.5, 22, 27.5, 33]
    (shade,) = ax.patches
    assert (shade.get_x(), shade.get_width()) == (0, 3)
    with pytest.raises(UndefinedMetric, match="it takes a log to count it"):
        plots.tracking_curve(validation(tracked=False))


def test_calibration_has_three_marks_a_row():
    ax = drawn(plots.calibration, validation())
    assert line(ax, "naive").tolist() == [0, 1.21, 12.4]
    assert line(ax, "BgNbd").tolist() == [0.19, 0.55, 5.9]
    assert line(ax, "what came").tolist() == [0.24, 0.7, 6.4]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0\n(1,411)", "1\n(439)", "2+\n(64)"]


def test_names_from_the_data_are_shown_as_they_are():
    curve = survival.kaplan_meier([1, 2])
    ax = drawn(plots.survival_curves, {"$x_1$": curve, "_hidden": curve}, unit="$ spent")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [r"\$x_1\$", " _hidden"]
    assert ax.get_xlabel() == r"\$ spent since the start"
    long = nps.NpsScore(promoters=1, passives=0, detractors=0)
    ax = drawn(plots.nps_segments, {"x" * 10_000: long}, "half a page")
    ax.figure.draw_without_rendering()
    assert ax.get_yticklabels()[0].get_text() == "x" * 23 + "…"
