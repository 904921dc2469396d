"""Calendar periods as consecutive integers.

A day is its ordinal (1 January of year 1 is 1, as in ``date.toordinal``). A week, month, quarter or year is a
running number of its own, so that the age of a cohort is a difference of two integers.
"""

import datetime as dt

import numpy as np

from retention_metrics._typing import IntArray, Period, Weekday

PERIODS: tuple[Period, ...] = ("day", "week", "month", "quarter", "year")
WEEKDAYS: tuple[Weekday, ...] = ("monday", "sunday")

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_EPOCH = dt.date(1970, 1, 1).toordinal()


def week_shift(week_start: Weekday) -> int:
    """Days to take from an ordinal so that weeks of seven begin on ``week_start``."""
    return {"monday": 1, "sunday": 0}[week_start]


def months_in(period: Period) -> int:
    """Calendar months in a month, a quarter or a year."""
    return _MONTHS[period]


def period_of(day: dt.date, period: Period, week_start: Weekday = "monday") -> int:
    """The running number of the period that contains a day."""
    return int(periods_of(np.array([day.toordinal()]), period, week_start)[0])


def periods_of(ordinals: IntArray, period: Period, week_start: Weekday = "monday") -> IntArray:
    """The running numbers of the periods that contain some days."""
    if period == "day":
        return ordinals
    if period == "week":
        return (ordinals - week_shift(week_start)) // 7
    months = (ordinals - _EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12
    return months // months_in(period)


def first_day(index: int, period: Period, week_start: Weekday = "monday") -> dt.date:
    """The day on which a period opens."""
    if period == "day":
        return dt.date.fromordinal(index)
    if period == "week":
        return dt.date.fromordinal(index * 7 + week_shift(week_start))
    year, month = divmod(index * months_in(period), 12)
    return dt.date(year, month + 1, 1)


def last_day(index: int, period: Period, week_start: Weekday = "monday") -> dt.date:
    """The day on which a period closes."""
    return first_day(index + 1, period, week_start) - dt.timedelta(days=1)


def label(day: dt.date, period: Period) -> str:
    """A period named by the day on which it opens: ``2026``, ``2026-Q1``, ``2026-01`` or ``2026-01-05``."""
    if period == "year":
        return f"{day.year}"
    if period == "quarter":
        return f"{day.year}-Q{(day.month + 2) // 3}"
    return f"{day:%Y-%m}" if period == "month" else day.isoformat()
