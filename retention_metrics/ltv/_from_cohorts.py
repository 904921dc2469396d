"""Lifetime value as observed: the mean margin at each age, over the cohorts that have reached it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import at_least, finite, first_true, fraction, freeze, refuse_if, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._typing import FloatArray, IntArray, Vector
from retention_metrics.cohorts import CohortTable
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CohortValue(Result):
    """What customers have brought by age; one element an age, read-only arrays.

    Attributes:
        by_age: Mean margin per customer at each age.
        customers: Customers behind each mean: those of all cohorts old enough.
        cohorts: Cohorts behind each mean.
    """

    by_age: FloatArray
    customers: FloatArray
    cohorts: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "by_age", "customers", "cohorts")

    @property
    def cumulative(self) -> FloatArray:
        """What a customer has brought up to each age, that age included.

        References:
            As for :func:`value_from_cohorts`.
        """
        return np.cumsum(self.by_age)

    @property
    def value(self) -> float:
        """What a customer brings over all the ages observed; later ages are not guessed.

        References:
            As for :func:`value_from_cohorts`.
        """
        return float(self.by_age.sum())

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element an age."""
        return {
            "age": list(range(self.by_age.size)),
            "margin": self.by_age.tolist(),
            "cumulative": self.cumulative.tolist(),
            "customers": self.customers.tolist(),
            "cohorts": self.cohorts.tolist(),
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row an age, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        """The table as text, one line an age."""
        lines = [f"{'age':>4} {'margin':>12} {'cumulative':>12} {'customers':>10} {'cohorts':>8}"]
        lines += [
            f"{age:>4} {margin:>12,.2f} {total:>12,.2f} {customers:>10,.0f} {cohorts:>8}"
            for age, margin, total, customers, cohorts in zip(*self.to_dict().values(), strict=True)
        ]
        return "\n".join(lines)


def value_from_cohorts(
    cohorts: CohortTable | Sequence[Sequence[float | None]] | FloatArray,
    *,
    sizes: Vector | None = None,
    margin: float | None = None,
    margin_share: float | None = None,
    horizon: int | None = None,
) -> CohortValue:
    r"""Lifetime value as observed: the mean margin at each age over the cohorts old enough, added up.

    .. math:: \sum_k \frac{\sum_{c \in O_k} M_{ck}}{\sum_{c \in O_k} n_c}, \qquad
        O_k = \{ c : \text{age } k \text{ is observed} \}

    Every customer of a cohort old enough counts at every age, those who have left with 0; cohorts too young are in
    neither sum. The last ages rest on the oldest cohorts alone: look at ``customers`` before believing them.

    Args:
        cohorts: Margin that each cohort (row) brought at each age (column), in all; ``None``, NaN or a shorter row is
            an age not reached yet, 0 an age at which nobody bought. Or a
            :class:`~retention_metrics.cohorts.CohortTable`, of which observed cells count and partial ones do not.
        sizes: Customers of each cohort, when ``cohorts`` holds money.
        margin: Money per customer counted in a cell, when ``cohorts`` is a table of counts.
        margin_share: Share of the money left after variable costs, from 0 to 1, when it is a table with money.
        horizon: Ages that count, >= 1, from age 0 on; ``None``: all that any cohort has reached.

    Returns:
        A :class:`CohortValue`: the value, and the mean margin, customers and cohorts by age.

    Raises:
        UndefinedMetric: No customers at an age within the horizon.
        InvalidValue: A gap within a row, sizes that do not fit, arguments that do not belong together.
        InvalidType: A value is not a plain number.

    Examples:
        >>> print(value_from_cohorts([[400, 200, 0], [500, 300], [600]], sizes=[10, 10, 20]))
         age       margin   cumulative  customers  cohorts
           0        37.50        37.50         40        3
           1        25.00        62.50         20        2
           2         0.00        62.50         10        1

    References:
        Fader & Hardie (2007), *Journal of Interactive Marketing* 21(1), 76-90, for following cohorts by age; Pfeifer
        & Bang (2005), *Journal of Interactive Marketing* 19(4), 48-66, for the sum of observed means by age.
    """
    if isinstance(cohorts, CohortTable):
        if sizes is not None:
            raise InvalidValue("sizes are in the cohort table already; leave them out")
        cells, members = _of_table(cohorts, margin, margin_share), cohorts.sizes.astype(np.float64)
    else:
        if sizes is None or margin is not None or margin_share is not None:
            raise InvalidValue(
                "with money by cohort and age give sizes, the customers of each cohort, and nothing else"
            )
        cells, members = _read(cohorts), np.atleast_1d(at_least(0, sizes=sizes))
        if members.shape != cells.shape[:1]:
            raise InvalidValue(f"sizes must be {cells.shape[0]} counts, one for each cohort")
    known = ~np.isnan(cells)
    refuse_if((members[:, None] == 0) & known & (cells != 0), "a cohort without customers cannot bring money")
    customers = np.where(known, members[:, None], 0.0).sum(axis=0)
    reached = int(known.any(axis=0).sum())
    ages = max(reached, 1) if horizon is None else whole(1, horizon=horizon)
    if ages > reached:
        raise UndefinedMetric("value_from_cohorts", f"no cohort has reached age {reached} yet")
    empty = first_true(customers[:ages] == 0)
    if empty is not None:
        raise UndefinedMetric("value_from_cohorts", f"the cohorts that have reached age {empty[0]} have no customers")
    sums = np.where(known, cells, 0.0).sum(axis=0)
    return CohortValue(
        by_age=sums[:ages] / customers[:ages],
        customers=customers[:ages],
        cohorts=known.sum(axis=0)[:ages],
    )


def _of_table(table: CohortTable, margin: float | None, margin_share: float | None) -> FloatArray:
    """Margin in each observed cell of a cohort table, NaN elsewhere."""
    if table.anchor != "first":
        raise InvalidValue('a lifetime begins once: make the cohort table with anchor="first"')
    if (margin is None) == (margin_share is None):
        raise InvalidValue(
            "with a cohort table give either margin (per customer counted) or margin_share (of its money)"
        )
    if margin is not None:
        if table.counting != "on" or table.brackets is not None or table.min_events != 1:
            raise InvalidValue(
                'margin per customer needs a table counted "on", with min_events=1 and a column for every age'
            )
        cells = table.retained * single(finite(margin=margin), "margin")
    elif table.money is None:
        raise InvalidValue("margin_share needs a cohort table with money; give margin, or a table made with amounts")
    else:
        cells = table.money * single(fraction(margin_share=margin_share), "margin_share")
    return np.where(table.observed, cells, np.nan)


def _read(cohorts: object) -> FloatArray:
    """Rows of money of different lengths as one array, NaN where an age is not reached."""
    if isinstance(cohorts, np.ndarray) and cohorts.ndim == 2 and cohorts.dtype.kind in "iuf":
        cells = cohorts.astype(np.float64)
    else:
        rows = [_row(i, row) for i, row in enumerate(_listed("cohorts", cohorts))]
        cells = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
        for i, row in enumerate(rows):
            cells[i, : len(row)] = row
    if not cells.size:
        raise InvalidValue("cohorts must be rows of money, one a cohort, with one number an age")
    known = ~np.isnan(cells)
    finite(cohorts=np.where(known, cells, 0.0))
    later = np.logical_or.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    refuse_if(later & ~known, "an age is missing in cohorts though a later one is known; write 0 where nobody bought")
    return cells


def _row(i: int, row: object) -> list[float]:
    cells = [np.nan if cell is None else cell for cell in _listed(f"cohorts[{i}]", row)]
    known = [cell for cell in cells if not (isinstance(cell, float) and math.isnan(cell))]
    if known:
        finite(**{f"cohorts[{i}]": known})
    return cells


def _listed(name: str, values: object) -> list[Any]:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return list(values.tolist())
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return list(values)
    raise InvalidType(
        f"{name} must be money by age, in lists or a two-dimensional array, or a CohortTable; "
        f"got {type(values).__name__}"
    )
