"""Files of orders, read by DuckDB into a table on disk: larger than memory is fine.

Text is taken as text: customer ids keep their leading zeros, and a day is read only when it is written in the
ISO way or in the format that the user names. Nothing is guessed.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from retention_metrics._checks import time_zone
from retention_metrics._frames import require
from retention_metrics.errors import InvalidValue, MissingColumn

_READERS = {".csv": "read_csv", ".tsv": "read_csv", ".txt": "read_csv", ".parquet": "read_parquet"}
_WITH_ZONE = r"\d:\d\d(:\d\d(\.\d+)?)? ?(Z|UTC|[+-]\d\d(:?\d\d)?)$"


@contextmanager
def orders_table(
    path: Path, *, customer: str, time: str, amount: str | None, tz: str | None, time_format: str | None
) -> Iterator[Any]:
    """A DuckDB relation with the columns ``customer``, ``time`` and, if asked for, ``amount`` of a file.

    Times that carry a zone become local times of ``tz``.
    """
    duckdb = require("duckdb", "report")
    require("pyarrow", "report")
    reader = _reader(path)
    with TemporaryDirectory(prefix="retention_metrics_") as folder:
        connection = duckdb.connect(str(Path(folder) / "orders.duckdb"))
        try:
            connection.execute("SET enable_progress_bar = false")
            if tz is not None:
                connection.execute(f"SET TimeZone = {_text(time_zone(tz=tz))}")
            try:
                _load(
                    connection,
                    reader,
                    path,
                    customer=customer,
                    time=time,
                    amount=amount,
                    time_format=time_format,
                )
            except duckdb.Error as error:
                raise InvalidValue(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
            _refuse_zones(connection, path, time, tz)
            _refuse_unread(connection, path, time, "bad_time", _time_remedy(time_format))
            if amount is not None:
                _refuse_unread(connection, path, amount, "bad_amount", "write amounts as 1234.50")
            wanted = "customer, time" + (", amount" if amount is not None else "")
            yield connection.sql(f"SELECT {wanted} FROM orders")  # noqa: S608
        finally:
            connection.close()


def _reader(path: Path) -> str:
    if not path.is_file():
        raise InvalidValue(f"{path}: no such file")
    if path.suffix.lower() not in _READERS:
        raise InvalidValue(f"{path.name}: the name must end in {', '.join(_READERS)}")
    return _READERS[path.suffix.lower()]


def _load(
    connection: Any,
    reader: str,
    path: Path,
    *,
    customer: str,
    time: str,
    amount: str | None,
    time_format: str | None,
) -> None:
    """Make the table ``orders``; what could not be read stays beside it as text."""
    options = ", all_varchar = true" if reader == "read_csv" else ""
    source = f"{reader}({_text(str(path))}{options})"
    empty = connection.sql(f"SELECT * FROM {source} LIMIT 0")  # noqa: S608
    types = dict(zip(empty.columns, map(str, empty.types), strict=True))
    for option, column in (("--customer", customer), ("--time", time), ("--amount", amount)):
        if column is not None and column not in types:
            near = difflib.get_close_matches(column, types, n=1, cutoff=0)
            raise MissingColumn(f"{path.name} has no column {column!r} ({option}); the nearest is {near[0]!r}")
    who = _name(customer)
    when, zoned = _time_sql(_name(time), types[time], time_format)
    columns = [
        f"nullif(trim({who}), '') AS customer" if types[customer] == "VARCHAR" else f"{who} AS customer",
        f"{when} AS time",
        f"{zoned} AS zoned",
        _unread_sql(_name(time), "time", types[time]),
    ]
    if amount is not None:
        money = _name(amount)
        columns += [f"try_cast({money} AS DOUBLE) AS amount", _unread_sql(money, "amount", types[amount])]
    connection.execute(f"CREATE TABLE orders AS SELECT {', '.join(columns)} FROM {source}")  # noqa: S608


def _time_sql(column: str, kind: str, time_format: str | None) -> tuple[str, str]:
    """How to read a time, and whether it carries a zone."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({column} AS TIMESTAMP)", "true"
    if kind != "VARCHAR":
        return f"try_cast({column} AS TIMESTAMP)", "false"
    if time_format is not None:
        return f"CAST(try_strptime(trim({column}), {_text(time_format)}) AS TIMESTAMP)", "false"
    zoned = f"regexp_matches(trim({column}), '{_WITH_ZONE}')"
    local = f"CAST(try_cast(trim({column}) AS TIMESTAMPTZ) AS TIMESTAMP)"
    return f"CASE WHEN {zoned} THEN {local} ELSE try_cast(trim({column}) AS TIMESTAMP) END", zoned


def _unread_sql(column: str, read: str, kind: str) -> str:
    if kind != "VARCHAR":
        return f"NULL::VARCHAR AS bad_{read}"
    return f"CASE WHEN {read} IS NULL AND trim({column}) <> '' THEN {column} END AS bad_{read}"


def _refuse_zones(connection: Any, path: Path, column: str, tz: str | None) -> None:
    zoned, naive = connection.sql(
        "SELECT count(*) FILTER (zoned), count(*) FILTER (NOT zoned) FROM orders WHERE time IS NOT NULL"
    ).fetchall()[0]
    where = f"{path.name}, column {column!r}"
    if zoned and naive:
        raise InvalidValue(f"{where}: {zoned:,} times carry a time zone and {naive:,} do not; write all the same way")
    if zoned and tz is None:
        raise InvalidValue(f"{where}: the times carry a time zone; say where the business is: --tz Europe/Paris")
    if naive and tz is not None:
        raise InvalidValue(f"{where}: the times carry no time zone and are taken as local; leave --tz out")


def _refuse_unread(connection: Any, path: Path, column: str, kept: str, remedy: str) -> None:
    count, row, rows = connection.sql(
        f"SELECT count({kept}), min(rowid) FILTER ({kept} IS NOT NULL), count(*) FROM orders"  # noqa: S608
    ).fetchall()[0]
    if count:
        (value,) = connection.sql(f"SELECT {kept} FROM orders WHERE rowid = {row}").fetchall()[0]  # noqa: S608
        raise InvalidValue(
            f"{path.name}, column {column!r}: {count:,} of {rows:,} values cannot be read, "
            f"the first in row {row + 1:,}: {value[:40]!r}; {remedy}"
        )


def _time_remedy(time_format: str | None) -> str:
    if time_format is not None:
        return f"they do not fit --time-format {time_format}"
    return "write days as 2026-10-31 or 2026-10-31 14:30, or say how they are written: --time-format %d.%m.%Y"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
