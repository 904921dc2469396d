"""The cohort table: customers by the period that won them, followed through the periods after it.

A cell is in one of three states, and never in two. ``observed``: its period had ended by ``as_of``, and 0 means
that nobody came; the count is final, except with ``counting="on_or_after"``, where later purchases still
count. ``partial``: its period is running; the count is a count so far.
``unobserved``: its period lies ahead; there is no count, and NaN stands in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import at_least, choice, day, freeze, refuse_if
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import PERIODS, WEEKDAYS, first_day, label, last_day, period_of
from retention_metrics._stats import Intervals, wilson
from retention_metrics._typing import BoolArray, FloatArray, IntArray, Period, Weekday
from retention_metrics.errors import InvalidValue

__all__ = ["CohortTable", "from_counts"]

StateArray: TypeAlias = NDArray[np.str_]
Anchor: TypeAlias = Literal["first", "every"]
Counting: TypeAlias = Literal["on", "on_or_after"]

OBSERVED, PARTIAL, UNOBSERVED = "observed", "partial", "unobserved"


@dataclass(frozen=True, slots=True, eq=False)
class CohortTable:
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
    excluded: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a cell that holds more customers than its cohort; make the arrays read-only."""
        freeze(self, "sizes", "retained", "states")
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
    def observed(self) -> BoolArray:
        """Which cells lie in periods that had ended by ``as_of``."""
        return np.asarray(self.states == OBSERVED)

    def counts(self) -> FloatArray:
        """Customers counted in each cell; partial cells so far, NaN where unobserved.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90.
        """
        return self.retained

    def rates(self) -> FloatArray:
        """Share of each cohort counted in each cell: ``retained / size``.

        NaN where unobserved, and in the rows of empty cohorts, which have no share. Partial cells give the
        share so far: ask ``states`` before comparing them.

        References:
            Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90.
        """
        sizes = np.where(self.sizes > 0, self.sizes, np.nan)[:, None]
        return np.asarray(self.retained / sizes, dtype=np.float64)

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
            "excluded": dict(self.excluded),
            "cohorts": self.labels,
            "sizes": self.sizes.tolist(),
            "retained": [[None if np.isnan(count) else int(count) for count in row] for row in self.retained],
            "states": self.states.tolist(),
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a cell that can hold a count, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame.

        Columns: cohort, size, age, state, retained, rate. Unobserved cells have no row.
        """
        rows, ages = np.nonzero(self.states != UNOBSERVED)
        return columns_to_frame(
            {
                "cohort": [self.cohorts[row] for row in rows],
                "size": self.sizes[rows],
                "age": ages,
                "state": self.states[rows, ages].tolist(),
                "retained": self.retained[rows, ages].astype(np.int64),
                "rate": self.rates()[rows, ages],
            },
            backend,
        )

    def __str__(self) -> str:
        """The table as text: rates in percent, ``*`` behind partial cells, nothing where unobserved."""
        rates = self.rates()
        ages = range(rates.shape[1])
        width = max([len(name) for name in self.labels] + [7])
        lines = [f"{'cohort':<{width}} {'size':>7}" + "".join(f"{age:>7}" for age in ages)]
        for row, name in enumerate(self.labels):
            cells = "".join(f"{cell_text(rates[row, age], self.states[row, age]):>7}" for age in ages)
            lines.append(f"{name:<{width}} {self.sizes[row]:>7,}{cells}".rstrip())
        pooled = "".join(f"{cell_text(rate, OBSERVED):>7}" for rate in self.average())
        lines.append(f"{'pooled':<{width}} {self.sizes.sum():>7,}{pooled}".rstrip())
        return "\n".join(lines)


def from_counts(
    counts: Sequence[Sequence[float | None]],
    *,
    start: date | str,
    period: Period = "month",
    sizes: Sequence[int] | None = None,
    week_start: Weekday = "monday",
) -> CohortTable:
    """A cohort table from a triangle of counts, such as a published one.

    Args:
        counts: One row a cohort, in order of time and without gaps; ``None`` or a shorter row is unobserved.
        start: First day of the first cohort's period.
        period: Length of a period.
        sizes: Customers in each cohort; by default the counts at age 0.
        week_start: ``"monday"`` or ``"sunday"``, when the period is a week.

    Returns:
        A :class:`CohortTable` that ends with the last period that any row covers.

    Raises:
        InvalidValue: A count is negative or exceeds the size of its cohort, or ``start`` does not open a
            period.

    Examples:
        >>> table = from_counts([[4, 2, 0], [5, 3], [6]], start="2026-01-01")
        >>> table.average()
        array([1.        , 0.55555556, 0.        ])
        >>> table.average("unweighted")
        array([1.  , 0.55, 0.  ])

    References:
        Fader & Hardie (2007), "How to project customer retention", *Journal of Interactive Marketing* 21(1).
    """
    choice(PERIODS, period=period)
    choice(WEEKDAYS, week_start=week_start)
    opened = day(start=start)
    first = period_of(opened, period, week_start)
    if first_day(first, period, week_start) != opened:
        near = first_day(first, period, week_start)
        raise InvalidValue(f"start must be the first day of a {period}, got {opened}; {near} is")
    rows = [[None if count is None or count != count else count for count in row] for row in counts]
    if not rows or not all(rows) or any(row[0] is None for row in rows):
        raise InvalidValue("counts must have at least one cohort, and each cohort its count at age 0")
    cells = [(i, age, count) for i, row in enumerate(rows) for age, count in enumerate(row) if count is not None]
    row_of, age_of = np.array([cell[:2] for cell in cells]).T
    counted = np.asarray(at_least(0, counts=[count for *_, count in cells]))
    retained = np.full((len(rows), int(age_of.max()) + 1), np.nan)
    retained[row_of, age_of] = counted
    known = ~np.isnan(retained)
    base = retained[:, 0] if sizes is None else np.asarray(at_least(0, sizes=sizes))
    if base.shape != (len(rows),):
        raise InvalidValue(f"sizes must be {len(rows)} counts, one for each cohort")
    refuse_if(counted % 1 != 0, "counts must be whole numbers of customers")
    refuse_if(base % 1 != 0, "sizes must be whole numbers of customers")
    last = first + int((row_of + age_of).max())
    return CohortTable(
        cohorts=tuple(first_day(first + i, period, week_start) for i in range(len(rows))),
        sizes=base.astype(np.int64),
        retained=retained,
        states=np.where(known, OBSERVED, UNOBSERVED),
        period=period,
        as_of=last_day(last, period, week_start),
    )


def cell_states(
    cohorts: IntArray, ages: int, *, period: Period, as_of: date, week_start: Weekday = "monday"
) -> StateArray:
    """The state of each cell of some cohorts (running numbers of periods) on a day."""
    current = period_of(as_of, period, week_start)
    ended = last_day(current, period, week_start) == as_of
    reached = cohorts[:, None] + np.arange(ages)
    states = np.where(reached < current, OBSERVED, UNOBSERVED).astype("<U10")
    states[reached == current] = OBSERVED if ended else PARTIAL
    return states


def cell_text(rate: float, state: str) -> str:
    """A rate as it is printed: whole percent with one decimal, ``*`` when partial, empty when unobserved."""
    if np.isnan(rate):
        return ""
    return f"{100 * rate:.1f}{'*' if state == PARTIAL else ''}"
