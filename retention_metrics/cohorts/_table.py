"""The table, and what can be read from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeAlias

import numpy as np

from retention_metrics._checks import choice, freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import first_day, label, last_day, period_of
from retention_metrics._results import Result
from retention_metrics._stats import Intervals, wilson
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Period, Weekday
from retention_metrics.cohorts._states import OBSERVED, PARTIAL, UNOBSERVED, Brackets, StateArray, Window
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.survival import LogRank, SurvivalCurve, kaplan_meier, logrank

Anchor: TypeAlias = Literal["first", "every"]
Counting: TypeAlias = Literal["on", "on_or_after"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CohortTable(Result):
    """Cohorts in rows, age in periods in columns; the column of age 0 is the period of the cohort itself.

    Attributes:
        cohorts: First day of each cohort's period.
        sizes: Customers in each cohort, the denominator of its row.
        retained: Customers of the cohort counted at each age, shape (cohorts, ages); NaN is unobserved.
        states: ``"observed"``, ``"partial"`` or ``"unobserved"``, the same shape.
        period: ``"month"`` or another calendar period.
        as_of: Last day that the data cover.
        anchor: ``"first"``: each customer is in the cohort of the first event only. ``"every"``: in the
            cohort of every period with an event.
        counting: ``"on"``: counted at an age when active in that very period. ``"on_or_after"``: when active
            in that period or in any later one up to ``as_of``.
        min_events: Events that a customer needs to be counted in a cell.
        window: ``"24h"``, ``"7d"`` or ``"30d"`` when ages are windows of that length since the first event of each
            customer; ``None`` when they are periods of the calendar. A cell is then observed when the window is over
            for every member of the cohort.
        brackets: First and last age of each column, or ``None`` when every age has a column of its own.
        money: Amounts of the cohort at each age, or ``None``; the same shape, NaN where unobserved.
        excluded: Rows of the log left out, by reason.
    """

    cohorts: tuple[date, ...]
    sizes: IntArray
    retained: FloatArray
    states: StateArray
    period: Period
    as_of: date
    anchor: Anchor = "first"
    counting: Counting = "on"
    min_events: int = 1
    window: Window | None = None
    brackets: Brackets | None = None
    money: FloatArray | None = None
    excluded: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a cell that holds more customers than its cohort; make the arrays read-only."""
        freeze(self, "sizes", "retained", "states", "money")
        too_many = np.argwhere(self.retained > self.sizes[:, None])
        if too_many.size:
            row, age = (int(i) for i in too_many[0])
            raise InvalidValue(
                f"cohort {self.labels[row]} has {self.sizes[row]} customers but {self.retained[row, age]:g} "
                f"at age {age}; the retained must be members of the cohort"
            )

    @property
    def labels(self) -> list[str]:
        """Each cohort's period by name, such as ``"2026-10"``."""
        return [label(opened, self.period) for opened in self.cohorts]

    @property
    def ages(self) -> list[str]:
        """Each column by name: ``"3"``, or ``"1-3"`` for a bracket."""
        if self.brackets is None:
            return [str(age) for age in range(self.retained.shape[1])]
        return [f"{low}" if low == high else f"{low}-{high}" for low, high in self.brackets]

    @property
    def observed(self) -> BoolArray:
        """Which cells lie in periods that had ended by ``as_of``."""
        return np.asarray(self.states == OBSERVED)

    def counts(self) -> FloatArray:
        """Customers counted in each cell; partial cells so far, NaN where unobserved.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90.
        """
        return self.retained

    def rates(self, *, extrapolate: bool = False) -> FloatArray:
        r"""Share of each cohort counted in each cell: ``retained / size``.

        NaN where unobserved, and in the rows of empty cohorts, which have no share. Partial cells give the
        share so far: ask ``states`` before comparing them. Or let them be extrapolated, as if customers went on coming
        as they did in the d days of D that have passed:

        .. math:: 1 - (1 - r)^{D / d}

        Args:
            extrapolate: Whether partial cells are taken to the end of their period, for a table of calendar periods
                counted ``"on"``.

        Raises:
            UndefinedMetric: The partial cells of this table cannot be extrapolated.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90; the extrapolation is that of a
            constant hazard.
        """
        sizes = np.where(self.sizes > 0, self.sizes, np.nan)[:, None]
        rates = np.asarray(self.retained / sizes, dtype=np.float64)
        if not extrapolate:
            return rates
        if self.window or self.brackets or self.counting != "on" or self.min_events > 1:
            raise UndefinedMetric(
                "the extrapolation of partial cells",
                "only cells of one calendar period, counted on with min_events=1, are all equally far in their period",
            )
        week_start: Weekday = "sunday" if self.cohorts[0].weekday() == 6 else "monday"
        index = period_of(self.as_of, self.period, week_start)
        opened, closes = (edge(index, self.period, week_start) for edge in (first_day, last_day))
        stretch = ((closes - opened).days + 1) / ((self.as_of - opened).days + 1)
        later = (self.states == PARTIAL) & (np.arange(rates.shape[1]) > 0)
        return np.where(later, 1 - (1 - rates) ** stretch, rates)

    def revenue(
        self, per: Literal["cohort", "customer", "first"] = "cohort", *, cumulative: bool = False
    ) -> FloatArray:
        r"""Money of each cohort at each age; partial cells so far, NaN where unobserved.

        Args:
            per: ``"cohort"``: the sum. ``"customer"``: over the size of the cohort. ``"first"``: over the money at age
                0, the revenue retention, which may exceed 1; NaN where that is not positive.
            cumulative: Whether each age includes those before it.

        Returns:
            An array of the shape of the table.

        Raises:
            UndefinedMetric: The table was made without amounts.
            InvalidValue: An unknown name.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90, for following cohorts by age.
        """
        choice(("cohort", "customer", "first"), per=per)
        if self.money is None:
            raise UndefinedMetric("revenue", "the table has no amounts; make it with revenue=True")
        sums = np.cumsum(self.money, axis=1) if cumulative else self.money
        base = {"cohort": np.ones(self.sizes.shape), "customer": self.sizes, "first": self.money[:, 0]}[per]
        return np.asarray(sums / np.where(base > 0, base, np.nan)[:, None], dtype=np.float64)

    def survivors(self, cohort: str, *, ages: int | None = None) -> SurvivalCurve:
        """How long the customers of a cohort stay, for a cohort whose losses are final.

        Args:
            cohort: Name of the cohort, as in ``labels``.
            ages: Only the columns before this age; ``None`` takes all observed ones. With purchases the newest losses
                are provisional: leave out as many ages as customers may pause.

        Returns:
            A :class:`~retention_metrics.survival.SurvivalCurve` of ages: who is not counted at age k left at k, who is
            counted in the last column is still there.

        Raises:
            UndefinedMetric: Customers of the cohort came back, so that not being counted was no loss; or nothing was
                observed after age 0.
            InvalidValue: There is no such cohort.

        References:
            Kaplan & Meier (1958), *Journal of the American Statistical Association* 53, 457-481.
        """
        row = self.labels.index(choice(self.labels, cohort=cohort))
        known = self.observed[row] if ages is None else self.observed[row] & (np.arange(len(self.ages)) < ages)
        kept = self.retained[row][known]
        kept = np.concatenate([[float(self.sizes[row])], kept[1:]])
        if kept.size < 2:
            raise UndefinedMetric("survivors", f"cohort {cohort} has no observed age after 0")
        left = -np.diff(kept)
        if (left < 0).any():
            age = int(np.argmax(left < 0)) + 1
            raise UndefinedMetric(
                "survivors",
                f"cohort {cohort} has more customers at age {age} than before: some came back, so absence is no loss; "
                'count with counting="on_or_after"',
            )
        at = np.arange(1, kept.size)
        lengths, ended = np.append(at, at[-1]), np.append(np.ones(at.size, bool), False)
        counts = np.append(left, kept[-1])
        some = counts > 0
        return kaplan_meier(lengths[some], ended[some], weights=counts[some])

    def compare(self, first: str, second: str, *, ages: int | None = None) -> LogRank:
        """Do the customers of two cohorts leave at different rates? The log-rank test on :meth:`survivors`.

        Args:
            first: Name of a cohort, as in ``labels``.
            second: Name of another.
            ages: Only the columns before this age, as for :meth:`survivors`.

        Returns:
            A :class:`~retention_metrics.survival.LogRank`.

        Raises:
            UndefinedMetric: The losses of a cohort are not final, or nobody left.
            InvalidValue: There is no such cohort.

        References:
            Mantel (1966), *Cancer Chemotherapy Reports* 50, 163-170.
        """
        return logrank({name: self.survivors(name, ages=ages) for name in (first, second)})

    def average(self, method: Literal["pooled", "unweighted"] = "pooled") -> FloatArray:
        r"""Retention by age over the cohorts that are old enough: observed cells only, zeros included.

        Args:
            method: ``"pooled"``, :math:`\sum \text{retained} / \sum \text{size}`: every customer counts the
                same. ``"unweighted"``: the mean of the cohorts' rates, every cohort counts the same.

        Returns:
            One fraction an age; NaN at an age that no cohort has completed.

        Raises:
            InvalidValue: An unknown method.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), for following cohorts by age;
            the pooled average is the ratio estimator of Cochran (1977), *Sampling Techniques*, 3rd ed., chapter 6.
        """
        choice(("pooled", "unweighted"), method=method)
        usable = self.observed & (self.sizes[:, None] > 0)
        weights = self.sizes[:, None] if method == "pooled" else 1
        over = np.where(usable, weights, 0).sum(axis=0)
        total = np.where(usable, np.where(usable, self.rates(), 0) * weights, 0).sum(axis=0)
        return np.asarray(total / np.where(over > 0, over, np.nan), dtype=np.float64)

    def interval(self, level: float = 0.95) -> Intervals:
        """Wilson score interval of every observed cell; NaN in partial and unobserved cells.

        Args:
            level: Confidence level, above 0 and below 1.

        Returns:
            ``low`` and ``high`` of the shape of the table, ``level`` and ``method``.

        Raises:
            InvalidValue: The level is not between 0 and 1.

        References:
            Wilson (1927), *Journal of the American Statistical Association* 22, 209-212.
        """
        counted = np.where(self.observed, self.retained, np.nan)
        low, high = wilson(counted, np.broadcast_to(self.sizes[:, None], counted.shape), level)
        return Intervals(low=low, high=high, level=level, method="wilson")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; ``None`` where unobserved."""
        return {
            "period": self.period,
            "as_of": self.as_of.isoformat(),
            "anchor": self.anchor,
            "counting": self.counting,
            "min_events": self.min_events,
            "window": self.window,
            "excluded": dict(self.excluded),
            "cohorts": self.labels,
            "ages": self.ages,
            "sizes": self.sizes.tolist(),
            "retained": [[_or_none(count, int) for count in row] for row in self.retained],
            "states": self.states.tolist(),
        } | ({} if self.money is None else {"money": [[_or_none(sum_) for sum_ in row] for row in self.money]})

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a cell that can hold a count, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame.

        Columns: cohort, size, age (of a bracket its name), state, retained, rate, and money if there is. Unobserved
        cells have no row.
        """
        rows, ages = np.nonzero(self.states != UNOBSERVED)
        columns = {
            "cohort": [self.cohorts[row] for row in rows],
            "size": self.sizes[rows],
            "age": ages if self.brackets is None else [self.ages[age] for age in ages],
            "state": self.states[rows, ages].tolist(),
            "retained": self.retained[rows, ages].astype(np.int64),
            "rate": self.rates()[rows, ages],
        }
        return columns_to_frame(columns if self.money is None else columns | {"money": self.money[rows, ages]}, backend)

    def __str__(self) -> str:
        """The table as text: rates in percent, ``*`` behind partial cells, nothing where unobserved."""
        rates = self.rates()
        ages = range(rates.shape[1])
        cell = max(7, 2 + max(map(len, self.ages)))
        width = max([len(name) for name in self.labels] + [7])
        lines = [f"{'cohort':<{width}} {'size':>7}" + "".join(f"{age:>{cell}}" for age in self.ages)]
        for row, name in enumerate(self.labels):
            cells = "".join(f"{cell_text(rates[row, age], self.states[row, age]):>{cell}}" for age in ages)
            lines.append(f"{name:<{width}} {self.sizes[row]:>7,}{cells}".rstrip())
        pooled = "".join(f"{cell_text(rate, OBSERVED):>{cell}}" for rate in self.average())
        lines.append(f"{'pooled':<{width}} {self.sizes.sum():>7,}{pooled}".rstrip())
        return "\n".join(lines)


def cell_text(rate: float, state: str) -> str:
    """A rate as it is printed: whole percent with one decimal, ``*`` when partial, empty when unobserved."""
    if np.isnan(rate):
        return ""
    return f"{100 * rate:.1f}{'*' if state == PARTIAL else ''}"


def _or_none(value: float, kind: type = float) -> Any:
    return None if np.isnan(value) else kind(value)
