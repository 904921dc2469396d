"""Answers by segment: which one each customer belongs to, and one result for each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import narwhals.stable.v2 as nw
from numpy.typing import NDArray

from retention_metrics.errors import InvalidValue, MissingColumn, UndefinedMetric
from retention_metrics.logs._engines import Frame, one_of_each, open_frame, to_numbers, with_short_plan
from retention_metrics.logs._rows import Log, Rows

T = TypeVar("T")
P = TypeVar("P")
Numbers = dict[str, NDArray[Any]]
Parts = Mapping[str | None, Numbers]


@dataclass(frozen=True, slots=True, eq=False)
class Segments(Mapping[str | None, T]):
    """One result a segment, by its name; ``None`` holds the customers without one.

    Attributes:
        by: What makes the segments.
        results: The results, in the order of their names.
        undefined: Segments without a result, and why.
    """

    by: str
    results: Mapping[str | None, T]
    undefined: Mapping[str | None, str]

    def __getitem__(self, name: str | None) -> T:
        """The result of a segment; a reason where it has none."""
        if name in self.undefined:
            raise UndefinedMetric(f"{self.by} {name!r}", self.undefined[name])
        return self.results[name]

    def __contains__(self, name: object) -> bool:
        """Whether a segment has a result."""
        return name in self.results

    def __iter__(self) -> Iterator[str | None]:
        """Names of the segments that have a result."""
        return iter(self.results)

    def __len__(self) -> int:
        """Segments that have a result."""
        return len(self.results)


def with_segment(log: Log, by: Any) -> Log:
    """The log with the column that makes its segments carried along: a role by its name, or any other column."""
    if not isinstance(by, str):
        return log
    column = log.columns.get(by, by)
    if column not in log.frame.collect_schema():
        raise MissingColumn(f"by column {by!r} is not in the frame, and no role of the log has that name")
    return replace(log, carried=log.carried | {"segment": nw.col(column)})


def group_of(by: Any) -> list[str]:
    """The column to group by beside others, if there are segments."""
    return [] if by is None else ["segment"]


def joined(customers: Frame, log: Log, rows: Rows, by: Any) -> Frame:
    """A table of customers with the segment of each: the latest known; of several at one moment the first by name."""
    if by is None:
        return customers
    if isinstance(by, str):
        named = rows.frame.select("customer", "time", "segment").filter(~nw.col("segment").is_null())
        chosen = one_of_each(named, within=["customer"], latest=True, time="time", ties=["segment"])
        table = chosen.select("customer", "segment")
    else:
        table = _table(log, by)
    return with_short_plan(customers.join(with_short_plan(table), on="customer", how="left"))


def of_terms(terms: Frame, log: Log, by: Any) -> Frame:
    """Rows of a log with their segment: their own where a column of the log makes it, otherwise the customer's."""
    return terms if by is None or isinstance(by, str) else terms.join(_table(log, by), on="customer", how="left")


def by_segment(by: object, parts: Mapping[str | None, P], build: Callable[[P], T]) -> T | Segments[T]:
    """The result, or one a segment: what is undefined keeps its reason."""
    if by is None:
        return build(parts[None])
    results, undefined = {}, {}
    for name, part in parts.items():
        try:
            results[name] = build(part)
        except UndefinedMetric as refusal:
            undefined[name] = refusal.reason
    return Segments(by=by if isinstance(by, str) else "segment", results=results, undefined=undefined)


def beside(first: Parts, *others: Parts) -> dict[str | None, tuple[Numbers, ...]]:
    """Several small tables side by side, for each segment of the first; empty where another has no row."""
    empty = [{name: values[:0] for name, values in next(iter(other.values()), {}).items()} for other in others]
    return {
        name: (part, *(other.get(name, none) for other, none in zip(others, empty, strict=True)))
        for name, part in first.items()
    }


def _table(log: Log, by: Any) -> Frame:
    """Customers and their segments, from a frame: its last column names the segment."""
    opened, _ = open_frame(by)
    names = opened.collect_schema().names()
    if opened.implementation != log.frame.implementation:
        raise InvalidValue(
            f"by must be a frame of the same engine as the log: {opened.implementation.name} beside "
            f"{log.frame.implementation.name}"
        )
    if "customer" not in names or len(names) < 2 or names[-1] == "customer":
        raise MissingColumn(
            f"by must be a frame with the column 'customer' and, last, that of the segment, got {names}"
        )
    table = opened.select("customer", nw.col(names[-1]).alias("segment"))
    counts = table.group_by("customer").agg(nw.len().alias("rows"))
    doubled = int(to_numbers(counts.filter(nw.col("rows") > 1).select(nw.len().alias("customers")))["customers"][0])
    if doubled:
        raise InvalidValue(f"by must name each customer once; {doubled:,} customers have several rows")
    return table
