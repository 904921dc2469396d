"""Cohort tables without a log: from a triangle of counts, and from lists of customers."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from datetime import date

import numpy as np

from retention_metrics._checks import at_least, choice, day, mapping, refuse_if
from retention_metrics._periods import PERIODS, WEEKDAYS, first_day, label, last_day, period_of
from retention_metrics._typing import Period, Weekday
from retention_metrics.cohorts._states import OBSERVED, UNOBSERVED
from retention_metrics.cohorts._table import CohortTable
from retention_metrics.errors import InvalidValue

_MOST_NAMES = 5


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


def from_customers(
    won: Mapping[str, Collection[Hashable]],
    active: Mapping[str, Collection[Hashable]],
    *,
    period: Period = "month",
    week_start: Weekday = "monday",
) -> CohortTable:
    """A cohort table from lists of customers: who was won in each period, and who was active in it.

    The counts of a cohort are those of its own members: whoever is active without having been won is refused by name,
    so that no share can exceed 1.

    Args:
        won: Ids of the customers won, by first day of the period (such as ``"2026-01-01"``); each in one period only.
        active: Ids of the customers active, by first day of the period; all periods from the first to the last count as
            observed, and one that is missing had nobody.
        period: Length of a period.
        week_start: ``"monday"`` or ``"sunday"``, when the period is a week.

    Returns:
        A :class:`CohortTable`.

    Raises:
        InvalidValue: A customer was won twice; or is active without having been won, or before; or a day does not open
            a period.

    Examples:
        >>> won = {"2026-01-01": ["ann", "bob"], "2026-02-01": ["cleo"]}
        >>> table = from_customers(won, {"2026-01-01": ["ann"], "2026-02-01": ["ann", "bob", "cleo"]})
        >>> table.counts()
        array([[ 1.,  2.],
               [ 1., nan]])
        >>> from_customers(won, {"2026-02-01": ["ann", "dan"]})
        Traceback (most recent call last):
        ...
        retention_metrics.errors.InvalidValue: active in 2026-02 without having been won by then: 'dan'

    References:
        Fader & Hardie (2007), "How to project customer retention", *Journal of Interactive Marketing* 21(1).
    """
    choice(PERIODS, period=period)
    choice(WEEKDAYS, week_start=week_start)
    mapping(won=won)
    mapping(active=active)

    def numbered(lists: Mapping[str, Collection[Hashable]]) -> dict[int, set[Hashable]]:
        return {_opening(name, period, week_start): set(ids) for name, ids in sorted(lists.items())}

    cohort_of: dict[Hashable, int] = {}
    for index, ids in numbered(won).items():
        _refuse_customers(
            ids & cohort_of.keys(), f"won in {label(first_day(index, period, week_start), period)} and before"
        )
        cohort_of.update(dict.fromkeys(ids, index))
    if not cohort_of:
        raise InvalidValue("won must hold at least one customer")
    present = numbered(active)
    first = min(cohort_of.values())
    length = max([*cohort_of.values(), *present]) - first + 1
    retained = np.where(np.add.outer(np.arange(length), np.arange(length)) < length, 0.0, np.nan)
    for index, ids in present.items():
        name = label(first_day(index, period, week_start), period)
        strangers = {who for who in ids if cohort_of.get(who, index + 1) > index}
        _refuse_customers(strangers, f"active in {name} without having been won by then")
        rows = np.array([cohort_of[who] - first for who in ids], dtype=np.int64)
        np.add.at(retained, (rows, index - first - rows), 1)
    sizes = np.bincount([index - first for index in cohort_of.values()], minlength=length)
    return CohortTable(
        cohorts=tuple(first_day(first + i, period, week_start) for i in range(length)),
        sizes=sizes,
        retained=retained,
        states=np.where(np.isnan(retained), UNOBSERVED, OBSERVED),
        period=period,
        as_of=last_day(first + length - 1, period, week_start),
    )


def _opening(name: str, period: Period, week_start: Weekday) -> int:
    opened = day(period=name)
    index = period_of(opened, period, week_start)
    near = first_day(index, period, week_start)
    if near != opened:
        raise InvalidValue(f"a period must be named by its first day, got {opened}; the {period} opens on {near}")
    return index


def _refuse_customers(ids: Collection[Hashable], rule: str) -> None:
    if ids:
        shown = ", ".join(sorted(map(repr, ids))[:_MOST_NAMES])
        more = f" and {len(ids) - _MOST_NAMES:,} more" if len(ids) > _MOST_NAMES else ""
        raise InvalidValue(f"{rule}: {shown}{more}")
