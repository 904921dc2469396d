"""What differs between dataframe engines, and nothing else.

Queries are written once against narwhals. Here is the portable phrasing of what the engines do not share:
calendar arithmetic, the previous row of a customer, time zones, and the way a small table reaches numpy.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import time_zone
from retention_metrics._periods import months_in, periods_of, week_shift
from retention_metrics._typing import IntArray, Period, Weekday
from retention_metrics.errors import InvalidType, InvalidValue

Frame: TypeAlias = nw.LazyFrame[Any]

_NUMBERS = count()
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu"}


def open_frame(frame: Any) -> tuple[Frame, bool]:
    """Any supported frame as a lazy one, and whether it was eager."""
    try:
        opened = nw.from_native(frame)
    except TypeError:
        raise InvalidType(
            "frame must be a pandas, Polars, PyArrow, DuckDB, PySpark or Dask table, "
            f"got {type(frame).__module__}.{type(frame).__qualname__}"
        ) from None
    if isinstance(opened, nw.DataFrame):
        return opened.lazy(), True
    return opened, False


def close_frame(frame: Frame, *, eager: bool) -> Any:
    """A frame of the kind that came in."""
    return frame.collect().to_native() if eager else frame.to_native()


def with_short_plan(frame: Frame) -> Frame:
    """The frame with its history forgotten, on Dask: older ones go through it once for every later operation.

    Nothing is computed by this. Elsewhere the frame is the same.
    """
    if not frame.implementation.is_dask():
        return frame
    # Fusing the steps of a long history takes Dask longer than going through them.
    native = frame.to_native().optimize(fuse=False)
    steps = native.to_delayed(optimize_graph=False)
    parts = import_module("dask.dataframe").from_delayed(steps, meta=native._meta, verify_meta=False)
    shortened: Frame = nw.from_native(parts)
    return shortened


def computed_once(frame: Frame) -> Frame:
    """A table that is needed several times, worked out once and kept by its engine.

    Eager engines have it already. DuckDB works it out again each time, unless it is :func:`kept`.
    """
    if frame.implementation.is_polars():
        return frame.collect().lazy()
    if frame.implementation.is_pyspark():
        kept: Frame = nw.from_native(frame.to_native().localCheckpoint())
        return kept
    return frame


@contextmanager
def kept(frame: Frame) -> Iterator[Frame]:
    """A table of any size that DuckDB and Polars keep until the block ends, where else they would work it out anew."""
    if not frame.implementation.is_duckdb():
        yield computed_once(frame) if frame.implementation.is_polars() else frame
        return
    native, name = frame.to_native(), f"retention_metrics_{next(_NUMBERS)}"
    native.query(name, f"CREATE TEMP TABLE kept_{name} AS FROM {name}")
    try:
        yield nw.from_native(native.query(name, f"FROM kept_{name}"))
    finally:
        native.query(name, f"DROP TABLE kept_{name}")
        # Before DuckDB 1.4 the view of a query outlives it.
        native.query(name, f"DROP VIEW IF EXISTS {name}")


def small_frame(like: Frame, columns: Mapping[str, NDArray[Any]]) -> Frame:
    """A small table as a frame that can be joined with one of an engine.

    An engine joins only with frames of its own kind, and DuckDB and Spark only with those of the same session.
    """
    implementation = like.implementation
    native = like.to_native()
    if implementation.is_duckdb():
        # DuckDB finds the variable by its name, but only if no table of the session has that name.
        retention_metrics_small_frame = nw.from_dict(columns, backend="pyarrow").to_native()  # noqa: F841
        native = native.query("retention_metrics_log", "from retention_metrics_small_frame")
    elif implementation.is_spark_like():
        kinds = ", ".join(f"{name} {'bigint' if v.dtype.kind == 'i' else 'double'}" for name, v in columns.items())
        rows = list(zip(*(values.tolist() for values in columns.values()), strict=True))
        native = native.sparkSession.createDataFrame(rows, kinds, verifySchema=False)
    elif implementation.is_dask():
        pandas = nw.from_dict(columns, backend="pandas").to_native()
        native = import_module("dask.dataframe").from_pandas(pandas, npartitions=1)
    else:
        return nw.from_dict(columns, backend=implementation).lazy()
    made: Frame = nw.from_native(native)
    return made


def to_numbers(frame: Frame, *, floats: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """A small table as int64 arrays by column name, float64 where named; an empty sum is 0.

    DuckDB sums integers to decimals, and pandas turns integers into floats beside a missing one.
    """
    table = frame.collect()
    numbers = {name: np.nan_to_num(table[name].to_numpy().astype(np.float64)) for name in table.columns}
    return {name: values if name in floats else values.astype(np.int64) for name, values in numbers.items()}


def to_whole(frame: Frame) -> dict[str, NDArray[np.int64]]:
    """A small table without gaps as int64 arrays by column name, exact beyond what floats hold."""
    table = frame.collect()
    return {name: table[name].cast(nw.Int64).to_numpy().astype(np.int64) for name in table.columns}


def to_parts(
    frame: Frame, group: Sequence[str], *, floats: Collection[str] = ()
) -> dict[str | None, dict[str, NDArray[Any]]]:
    """A small table as :func:`to_numbers`, one for each name in the column ``group`` names; ``None`` without one."""
    if not group:
        return {None: to_numbers(frame, floats=floats)}
    table = frame.collect()
    labels = to_labels(table[group[0]])
    numbers = to_numbers(table.drop(*group).lazy(), floats=floats)
    places: dict[str | None, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    return {
        label: {name: values[at] for name, values in numbers.items()}
        for label, at in sorted(places.items(), key=lambda item: (item[0] is None, item[0] or ""))
    }


def to_labels(column: nw.Series[Any]) -> list[str | None]:
    """A column as text; engines differ in what stands for a missing value.

    Whole floats lose their point: pandas makes them of integers with gaps.
    """
    values = column.to_list()
    names = {value: _text(value) for value in set(values)}
    return [names[value] for value in values]


def is_true(frame: Frame, column: str) -> nw.Expr | None:
    """1 where a column says true (or 1), something else where it does not; ``None`` for a column of other things.

    pandas keeps booleans with gaps as objects, and integers with gaps as floats.
    """
    dtype = frame.collect_schema()[column]
    if dtype == nw.Boolean or dtype.is_numeric():
        return nw.col(column).cast(nw.Int64 if dtype == nw.Boolean else nw.Float64)
    if dtype != nw.Object:
        return None
    native = frame.to_native()
    values = native[column].dropna().unique()
    values = values.compute() if frame.implementation.is_dask() else values
    return (nw.col(column) == 1).cast(nw.Int64) if set(values) <= {True, False} else None


@dataclass(frozen=True, slots=True)
class Clock:
    """The time column of a log, read as business time.

    Attributes:
        column: Name of the time column.
        zone: Time zone to convert to before reading the calendar, or ``None`` when the column can be read as is.
        kind: ``"date"``, ``"local"`` for timestamps that can be compared with local times, or ``"other"``.
        week_start: The weekday that opens a week.
        dates: How the engine turns a date into a number: ``"cast"``, ``"subtract"``, or ``None`` where it is worked out
            from the year.
        day_start: Hour at which a day opens; what happens before it belongs to the day before.
    """

    column: str
    zone: str | None
    kind: Literal["date", "local", "other"]
    week_start: Weekday
    dates: Literal["cast", "subtract"] | None = None
    day_start: int = 0

    def _local(self) -> nw.Expr:
        time = nw.col(self.column)
        return time if self.zone is None else time.dt.convert_time_zone(self.zone)

    def day(self) -> nw.Expr:
        """Ordinal of the day, as ``date.toordinal``; no time may be missing."""
        # 32 bits: engines group by them faster than by 64.
        return self.day_if_known().cast(nw.Int32)

    def day_if_known(self) -> nw.Expr:
        """Ordinal of the day, missing where the time is; in whatever numbers the engine has for such a column."""
        if self.day_start == 0:
            return self._calendar_day()
        return self._calendar_day() - (self._local().dt.hour() < self.day_start).cast(nw.Int32)

    def _calendar_day(self) -> nw.Expr:
        epoch = dt.date(1970, 1, 1)
        if self.dates == "cast":
            return self._local().dt.date().cast(nw.Int32) + epoch.toordinal()
        if self.dates == "subtract":
            return (self._local().cast(nw.Date) - nw.lit(epoch)).cast(nw.Int32) + epoch.toordinal()
        years = self._local().dt.year() - 1
        leaps = years // 4 - years // 100 + years // 400
        return years * 365 + leaps + self._local().dt.ordinal_day()

    def moment(self) -> nw.Expr:
        """Whole seconds on the clock of the business, counted from midnight before the first ordinal day."""
        day = self._calendar_day().cast(nw.Int64)
        return day * 86_400 if self.kind == "date" else day * 86_400 + self.second()

    def second(self) -> nw.Expr:
        """Second of the day."""
        time = self._local()
        return (time.dt.hour().cast(nw.Int64) * 60 + time.dt.minute()) * 60 + time.dt.second()

    def period(self, period: Period) -> nw.Expr:
        """Running number of the calendar period, as ``_periods.period_of``."""
        if period == "day":
            return self.day()
        if period == "week":
            return (self.day() - week_shift(self.week_start)) // 7
        months = (self._local().dt.year() * 12 + self._local().dt.month() - 1).cast(nw.Int32)
        return months if period == "month" else months // months_in(period)

    def after(self, as_of: dt.date) -> nw.Expr:
        """Whether the time lies after the end of a day."""
        if self.kind == "other" or as_of == dt.date.max or self.day_start:
            return self.day() > as_of.toordinal()
        if self.kind == "date":
            return nw.col(self.column) > as_of
        return nw.col(self.column) >= dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time())


def make_clock(frame: Frame, column: str, *, tz: str | None, week_start: Weekday) -> Clock:
    """Read the kind of a time column, or refuse it with the remedy."""
    dtype = frame.collect_schema()[column]
    zone = zone_of(frame, column)
    implementation = frame.implementation
    dates: Literal["cast", "subtract"] | None = None
    if implementation.is_polars() or implementation.is_duckdb():
        dates = "cast" if implementation.is_polars() else "subtract"
    if zone is None:
        if tz is not None:
            raise InvalidValue(
                f"tz is {tz!r}, but time column {column!r} has no time zone: its times are taken as local; leave tz out"
            )
        if dtype == nw.Date:
            return Clock(column, None, "date", week_start, dates)
        # Spark would shift a literal by the zone of the Python process.
        return Clock(column, None, "other" if implementation.is_spark_like() else "local", week_start, dates)
    if tz is None:
        raise InvalidValue(
            f"time column {column!r} has the time zone {zone}, so the day of an event depends on where the business "
            f"is; pass tz= (for instance tz={zone!r})"
        )
    time_zone(tz=tz)
    if not (implementation.is_duckdb() or implementation.is_spark_like()):
        return Clock(column, tz, "other", week_start, dates)
    # Both read the calendar in the zone of the session and cannot convert to another one.
    if not _same_zone(zone, tz):
        raise InvalidValue(
            f"tz is {tz!r}, but this {implementation.name} session reads timestamps in {zone!r}; "
            "set the session's time zone to the same zone before the frame is made"
        )
    return Clock(column, None, "other", week_start, dates)


def with_known_zone(frame: Frame, column: str) -> Frame:
    """The frame with its times in UTC where narwhals does not recognise their zone.

    In a pandas dtype it does not recognise zones such as America/New_York.
    """
    implementation = frame.implementation
    if not (implementation.is_pandas_like() or implementation.is_dask()):
        return frame
    native = frame.to_native()
    if frame.collect_schema()[column] != nw.Unknown or getattr(native[column].dtype, "tz", None) is None:
        return frame
    native = native.copy(deep=False)
    native[column] = native[column].dt.tz_convert("UTC")
    return open_frame(native)[0]


def with_period(frame: Frame, into: str, *, day: str, period: Period, week_start: Weekday) -> Frame:
    """Add the running number of the calendar period of a day that is known by its ordinal.

    Months are found in years that begin on 1 March, where the leap day comes last: no two engines turn an integer
    into a date in the same way.
    """
    if frame.implementation.is_dask():
        # In one step: the plans of Dask grow with every operation, and older ones go through them many times over.
        native = frame.to_native()
        types = native._meta.assign(**{into: native._meta[day].astype("int64")})
        rule = {"into": into, "day": day, "period": period, "week_start": week_start}
        placed: Frame = nw.from_native(native.map_partitions(_period_in_pandas, meta=types, **rule))
        return placed
    ordinal = nw.col(day)
    if period == "day":
        return frame.with_columns(ordinal.alias(into))
    if period == "week":
        return frame.with_columns(((ordinal - week_shift(week_start)) // 7).alias(into))
    if frame.implementation.is_spark_like() or frame.implementation.is_duckdb():
        # Their optimisers write every step out into the conditions that follow, and choke on the arithmetic below.
        date = as_date(frame, ordinal.cast(nw.Int64))
        months = date.dt.year().cast(nw.Int32) * 12 + date.dt.month().cast(nw.Int32) - 1
        return frame.with_columns((months // months_in(period)).cast(nw.Int32).alias(into))
    era, left, years, of_year = (nw.col(name) for name in ("_era", "_left", "_years", "_of_year"))
    frame = frame.with_columns(_era=(ordinal + 305) // 146_097)
    frame = frame.with_columns(_left=ordinal + 305 - era * 146_097)
    frame = frame.with_columns(_years=(left - left // 1_460 + left // 36_524 - left // 146_096) // 365)
    frame = frame.with_columns(_of_year=left - years * 365 - years // 4 + years // 100)
    months = (era * 400 + years) * 12 + (of_year * 5 + 2) // 153 + 2
    frame = frame.with_columns((months // months_in(period)).cast(nw.Int32).alias(into))
    return frame.drop("_era", "_left", "_years", "_of_year")


def as_date(frame: Frame, day: nw.Expr) -> nw.Expr:
    """The day of an ordinal, as the engine keeps days: midnight, or on Spark a date."""
    epoch = dt.datetime.combine(dt.date(1970, 1, 1), dt.time())
    # Spark would shift a timestamp by the zone of the Python process, and a date it does not shift.
    start = nw.lit(epoch.date()) if frame.implementation.is_spark_like() else nw.lit(epoch)
    return start + (day - epoch.toordinal()) * nw.lit(dt.timedelta(days=1))


def with_previous(frame: Frame, *, within: str, order: str) -> Frame:
    """Add ``previous``: the value of ``order`` in the row before, of the same ``within``; null in the first.

    ``order`` must be an integer column without ties within a group.
    """
    implementation = frame.implementation
    if implementation.is_dask():
        native = frame.to_native().shuffle(within)
        types = native._meta.assign(previous=native._meta[order].astype("float64"))
        stepped: Frame = nw.from_native(native.map_partitions(_previous_in_pandas, within, order, meta=types))
        return stepped
    if implementation.is_pyarrow():
        eager = frame.collect().sort(within, order)
        same = (eager[within] == eager[within].shift(1)).fill_null(value=False)
        return (
            eager.with_columns(same.alias("same"), eager[order].shift(1).alias("previous"))
            .lazy()
            .with_columns(previous=nw.when(nw.col("same")).then(nw.col("previous")))
            .drop("same")
        )
    return frame.with_columns(previous=nw.col(order).shift(1).over(within, order_by=order))


def with_running(frame: Frame, *, within: str, order: str, of: str, previous: bool = False) -> Frame:
    """Add ``running``: the sum of ``of`` up to and with the row; and ``previous``, as :func:`with_previous`, if asked.

    ``of`` must be an integer column, and ``order`` one without ties within a group.
    """
    implementation = frame.implementation
    if implementation.is_dask():
        native = frame.to_native().shuffle(within)
        more = {"previous": native._meta[order].astype("float64")} if previous else {}
        types = native._meta.assign(**more, running=native._meta[of])
        summed: Frame = nw.from_native(
            native.map_partitions(_running_in_pandas, within, order, of, previous=previous, meta=types)
        )
        return summed
    if implementation.is_pyarrow():
        eager = with_previous(frame, within=within, order=order).collect()
        values = eager[of].to_numpy().astype(np.int64)
        first = eager["previous"].is_null().to_numpy().astype(bool)
        sums = np.cumsum(values)
        sums -= (sums - values)[first][np.cumsum(first) - 1]
        kept = eager if previous else eager.drop("previous")
        return kept.with_columns(nw.new_series("running", sums, backend="pyarrow")).lazy()
    columns = [nw.col(of).cum_sum().over(within, order_by=order).alias("running")]
    if previous:
        columns.append(nw.col(order).shift(1).over(within, order_by=order).alias("previous"))
    return frame.with_columns(*columns)


def one_of_each(frame: Frame, *, within: list[str], latest: bool, time: str, ties: list[str]) -> Frame:
    """The row of each ``within`` at its latest (or first) time; of several at that time the first by ``ties``."""
    if frame.implementation.is_dask():
        native = frame.to_native().shuffle(within[0])
        rule = {"within": within, "latest": latest, "time": time, "ties": ties}
        chosen: Frame = nw.from_native(native.map_partitions(_one_of_each_in_pandas, meta=native._meta, **rule))
        return chosen
    moment = nw.col(time).max() if latest else nw.col(time).min()
    at_it = frame.join(frame.group_by(*within).agg(moment), on=[*within, time])
    return at_it.unique(subset=within, keep="first", order_by=ties)


def longest_runs(frame: Frame, *, within: str, order: list[str], of: str) -> Frame:
    """For each ``within`` the column ``longest``: the most rows in a row, by ``order``, with the same value of ``of``.

    ``within`` must not be null.
    """
    implementation = frame.implementation
    if implementation.is_dask():
        native = frame.to_native().shuffle(within)
        types = native._meta[[within]].assign(longest=native._meta[of].astype("int64"))
        longest: Frame = nw.from_native(native.map_partitions(_runs_in_pandas, within, order, of, meta=types))
        return longest
    if implementation.is_pyarrow():
        eager = frame.collect().sort(within, *order)
        same = (eager[within] == eager[within].shift(1)) & (eager[of] == eager[of].shift(1))
        turns = 1 - same.fill_null(value=False).cast(nw.Int64)
        runs = eager.with_columns(turns.cum_sum().alias("run")).lazy()
    else:
        previous = nw.col(of).shift(1).over(within, order_by=order)
        turned = frame.with_columns(previous=previous)
        turned = turned.with_columns(turn=1 - (nw.col("previous") == nw.col(of)).fill_null(value=False).cast(nw.Int64))
        runs = turned.with_columns(run=nw.col("turn").cum_sum().over(within, order_by=order))
    lengths = runs.group_by(within, "run").agg(nw.len().alias("longest"))
    return lengths.group_by(within).agg(nw.col("longest").max())


def with_stays(frame: Frame, *, gap: int) -> Frame:
    """Add ``stay``: a number for the spells (``customer``, ``start``, ``stop``) that follow or overlap one another.

    The stays of each customer are counted from 0. A spell begins another stay when it starts more than ``gap`` days
    after all earlier ones of the customer stopped.
    """
    implementation = frame.implementation
    if implementation.is_dask():
        native = frame.to_native().shuffle("customer")
        types = native._meta.assign(stay=native._meta["start"].astype("int64"))
        staying: Frame = nw.from_native(native.map_partitions(_stays_in_pandas, gap, meta=types))
        return staying
    if implementation.is_pyarrow():
        eager = frame.collect().sort("customer", "start", "stop")
        same = (eager["customer"] == eager["customer"].shift(1)).fill_null(value=False).to_numpy().astype(bool)
        start, stop = (eager[name].to_numpy().astype(np.int64) for name in ("start", "stop"))
        numbers = _stay_numbers(same, start, stop, gap)
        return eager.with_columns(nw.new_series("stay", numbers, backend="pyarrow")).lazy()
    order = ["start", "stop"]
    frame = frame.with_columns(reached=nw.col("stop").cum_max().over("customer", order_by=order))
    frame = frame.with_columns(before=nw.col("reached").shift(1).over("customer", order_by=order))
    opens = (nw.col("start") > nw.col("before") + gap).fill_null(value=False).cast(nw.Int64)
    frame = frame.with_columns(opens=opens)
    frame = frame.with_columns(stay=nw.col("opens").cum_sum().over("customer", order_by=order))
    return frame.drop("reached", "before", "opens")


def _stay_numbers(same: NDArray[np.bool_], start: IntArray, stop: IntArray, gap: int) -> IntArray:
    """Numbers of stays, from 0 for each customer, in spells sorted by customer and start."""
    # A running maximum that starts anew with each customer: every customer lives in a stretch of numbers of its own.
    customer = np.cumsum(~same)
    width = int(stop.max(initial=0)) + 1
    reached = np.maximum.accumulate(stop + customer * width) - customer * width
    before = np.concatenate([[0], reached[:-1]])
    opened = np.cumsum(~same | (start > before + gap))
    return opened - np.maximum.accumulate(np.where(same, 0, opened))


def _period_in_pandas(part: Any, *, into: str, day: str, period: Period, week_start: Weekday) -> Any:
    return part.assign(**{into: periods_of(part[day].to_numpy().astype(np.int64), period, week_start)})


def _previous_in_pandas(part: Any, within: str, order: str) -> Any:
    part = part.sort_values(order)
    return part.assign(previous=part.groupby(within, observed=True)[order].shift(1).astype("float64"))


def _running_in_pandas(part: Any, within: str, order: str, of: str, *, previous: bool) -> Any:
    part = _previous_in_pandas(part, within, order) if previous else part.sort_values(order)
    return part.assign(running=part.groupby(within, observed=True)[of].cumsum())


def _one_of_each_in_pandas(part: Any, *, within: list[str], latest: bool, time: str, ties: list[str]) -> Any:
    part = part.sort_values([time, *ties], ascending=[not latest, *(True for _ in ties)])
    return part.drop_duplicates(within)


def _stays_in_pandas(part: Any, gap: int) -> Any:
    part = part.sort_values(["customer", "start", "stop"])
    same = (part["customer"] == part["customer"].shift(1)).fillna(value=False).to_numpy().astype(bool)
    start, stop = (part[name].to_numpy().astype(np.int64) for name in ("start", "stop"))
    return part.assign(stay=_stay_numbers(same, start, stop, gap))


def _runs_in_pandas(part: Any, within: str, order: list[str], of: str) -> Any:
    part = part.sort_values([within, *order])
    same = (part[within] == part[within].shift(1)) & (part[of] == part[of].shift(1))
    runs = (1 - same.fillna(value=False).astype("int64")).cumsum()
    lengths = part.assign(run=runs).groupby([within, "run"], observed=True).size()
    return lengths.groupby(level=0, observed=True).max().astype("int64").rename("longest").reset_index()


def _text(value: Any) -> str | None:
    # The missing value of pandas' own types has no truth.
    if value is None or type(value).__name__ == "NAType" or value != value:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def zone_of(frame: Frame, column: str) -> str | None:
    """The time zone of a column of dates or times, ``None`` without one."""
    dtype, implementation = frame.collect_schema()[column], frame.implementation
    if dtype == nw.Date:
        return None
    if isinstance(dtype, nw.Datetime):
        if dtype.time_zone is not None and implementation.is_pyspark():
            # The schema may remember an older setting; the session decides.
            return str(frame.to_native().sparkSession.conf.get("spark.sql.session.timeZone"))
        return dtype.time_zone
    raise InvalidType(
        f"time column {column!r} holds {dtype}, not dates or timestamps; parse it first "
        "(pandas: to_datetime, Polars: str.to_datetime, SQL: cast to TIMESTAMP), with one time zone or none"
    )


def _same_zone(one: str, other: str) -> bool:
    return one == other or {one, other} <= _UTC
