"""What is known of a cell: observed, partial or unobserved; and the columns that a table can have."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import whole
from retention_metrics._periods import last_day, period_of
from retention_metrics._typing import IntArray, Period, Weekday
from retention_metrics.errors import InvalidValue

StateArray: TypeAlias = NDArray[np.str_]
Window: TypeAlias = Literal["24h", "7d", "30d"]
Brackets: TypeAlias = tuple[tuple[int, int], ...]

OBSERVED, PARTIAL, UNOBSERVED = "observed", "partial", "unobserved"
WINDOWS: dict[Window, int] = {"24h": 1, "7d": 7, "30d": 30}
_MOST_AGES = 5_000


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


def window_states(
    first: Sequence[int], last: Sequence[int], ages: int, window: Window, *, as_of: date, whole_days: bool
) -> StateArray:
    """The state of each cell when windows are counted from the first event of each customer.

    ``first`` and ``last`` are the ordinals of the first and the last day of the cohort, on which customers can be won.
    """
    days = WINDOWS[window]
    opens = np.array(first)[:, None] + days * np.arange(ages)
    # Somebody won late on the last day is a day further behind than days alone can tell.
    closes = np.array(last)[:, None] + days * np.arange(1, ages + 1) - (1 if whole_days else 0)
    states = np.where(opens <= as_of.toordinal(), PARTIAL, UNOBSERVED).astype("<U10")
    states[closes <= as_of.toordinal()] = OBSERVED
    return states


def bracket_states(states: StateArray, brackets: Brackets) -> StateArray:
    """The state of each bracket of ages: observed when its last age is, unobserved when its first age is."""
    low, high = (states[:, list(ages)] for ages in zip(*brackets, strict=True))
    inside = np.where(low == UNOBSERVED, UNOBSERVED, PARTIAL).astype("<U10")
    inside[high == OBSERVED] = OBSERVED
    return inside


def checked_brackets(brackets: Sequence[tuple[int, int]]) -> Brackets:
    """Brackets of ages, each after the one before it."""
    spans = tuple((whole(0, brackets=low), whole(0, brackets=high)) for low, high in brackets)
    ends = [age for span in spans for age in (span[0] - 0.5, span[1])]
    if not spans or ends != sorted(set(ends)) or ends[-1] >= _MOST_AGES:
        raise InvalidValue(
            f"brackets must be pairs (first age, last age) in order that do not overlap, up to age {_MOST_AGES - 1:,}, "
            f"got {list(brackets)}"
        )
    return spans
