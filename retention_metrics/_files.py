"""Files of events, read by DuckDB into tables on disk: larger than memory is fine.

Text is taken as text: customer ids keep their leading zeros, and a day is read only when it is written in the
ISO way or in the format that the user names. Nothing is guessed.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from retention_metrics._checks import time_zone
from retention_metrics._frames import require
from retention_metrics.errors import InvalidValue, MissingColumn
from retention_metrics.prepaid import PackagePlan

Kind: TypeAlias = Literal["name", "time", "money", "whole", "minor", "yes_no"]

_READERS = {".csv": "read_csv", ".tsv": "read_csv", ".txt": "read_csv", ".parquet": "read_parquet"}
_WITH_ZONE = r"\d:\d\d(:\d\d(\.\d+)?)? ?(Z|UTC|[+-]\d\d(:?\d\d)?)$"
_YES, _NO = "('true', 't', 'yes', 'y', '1', 'да')", "('false', 'f', 'no', 'n', '0', 'нет')"
_REMEDIES: Mapping[Kind, str] = {
    "money": "write amounts as 1234.50",
    "whole": "write whole numbers",
    "minor": "write amounts in whole minor units (cents), or as 1234.50 with --prepaid-units",
    "yes_no": "write yes or no, true or false, 1 or 0",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a file: the part that it plays, the option that names it, and how it is read.

    Attributes:
        role: What the column is called in the table.
        column: What it is called in the file.
        kind: How it is read.
        option: The option of the command line that names it.
        given: Whether it was named; otherwise it is the usual name, and may be missing unless it is ``needed``.
        needed: Whether the file is of no use without it.
        exponent: Of ``"minor"``: decimal places to take in, 0 when the file has minor units already.
    """

    role: str
    column: str
    kind: Kind
    option: str
    given: bool = True
    needed: bool = True
    exponent: int = 0


@contextmanager
def opened(tz: str | None) -> Iterator[Any]:
    """A DuckDB database in a folder that is removed afterwards, in the time zone of the business."""
    duckdb = require("duckdb", "report")
    require("pyarrow", "report")
    with TemporaryDirectory(prefix="retention_metrics_") as folder:
        connection = duckdb.connect(str(Path(folder) / "files.duckdb"))
        try:
            connection.execute("SET enable_progress_bar = false")
            if tz is not None:
                connection.execute(f"SET TimeZone = {_text(time_zone(tz=tz))}")
            yield connection
        finally:
            connection.close()


def read_table(
    connection: Any,
    table: str,
    path: Path,
    fields: Sequence[Field],
    *,
    tz: str | None,
    time_format: str | None,
    plain_times: bool = True,
) -> tuple[Any, frozenset[str]]:
    """A file as a DuckDB relation with a column for each role that the file has, and which these are.

    Times that carry a zone become local times of ``tz``. Beside a ``tz``, times without a zone are taken as local, or
    refused unless ``plain_times``.
    """
    duckdb = require("duckdb", "report")
    reader = _reader(path)
    try:
        found = _load(connection, table, reader, path, fields, time_format)
    except duckdb.Error as error:
        raise InvalidValue(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
    for field in found:
        if field.kind == "time":
            _refuse_zones(connection, table, path, field, tz, plain_times=plain_times)
            _refuse_unread(connection, table, path, field, _time_remedy(time_format))
        elif field.kind != "name":
            _refuse_unread(connection, table, path, field, _REMEDIES[field.kind])
    roles = [field.role for field in found]
    return connection.sql(f"SELECT {', '.join(map(_name, roles))} FROM {_name(table)}"), frozenset(roles)  # noqa: S608


def read_plans(path: Path) -> list[PackagePlan]:
    """The plans of prepaid packages, from a JSON file that lists them."""
    if not path.is_file():
        raise InvalidValue(f"{path}: no such file")
    try:
        return TypeAdapter(list[PackagePlan]).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidValue(f"{path.name} cannot be read as a list of plans: {where}: {first['msg']}") from None


def _reader(path: Path) -> str:
    if not path.is_file():
        raise InvalidValue(f"{path}: no such file")
    if path.suffix.lower() not in _READERS:
        raise InvalidValue(f"{path.name}: the name must end in {', '.join(_READERS)}")
    return _READERS[path.suffix.lower()]


def _refuse_skipped(connection: Any, path: Path) -> None:
    """Refuse a file of which DuckDB would leave out the first lines, because those after them have other columns."""
    sniffed = connection.sql(f"SELECT SkipRows FROM sniff_csv({_text(str(path))}, all_varchar = true)")  # noqa: S608
    ((skipped,),) = sniffed.fetchall()
    if skipped:
        raise InvalidValue(
            f"{path.name}: line {skipped + 1:,} has other columns than the {skipped:,} before it, which are not left "
            "out unasked; take them out of the file, or give all lines the same columns"
        )


def _load(
    connection: Any, table: str, reader: str, path: Path, fields: Sequence[Field], time_format: str | None
) -> list[Field]:
    """Make the table; what could not be read stays beside it as text."""
    options = ""
    if reader == "read_csv":
        _refuse_skipped(connection, path)
        options = ", all_varchar = true"
    source = f"{reader}({_text(str(path))}{options})"
    empty = connection.sql(f"SELECT * FROM {source} LIMIT 0")  # noqa: S608
    types = dict(zip(empty.columns, map(str, empty.types), strict=True))
    found = [field for field in fields if field.column in types]
    for field in fields:
        if field not in found and (field.given or field.needed):
            near = difflib.get_close_matches(field.column, types, n=1, cutoff=0)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise MissingColumn(f"{path.name} has no column {field.column!r} ({field.option}){hint}")
    columns = []
    for field in found:
        column, kind = _name(field.column), types[field.column]
        read = _read_sql(field, column, kind, time_format)
        columns.append(f"{read} AS {_name(field.role)}")
        if field.kind == "time":
            columns.append(f"{_zoned_sql(column, kind, time_format)} AS {_name('zoned ' + field.role)}")
        if field.kind != "name":
            text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
            # Not the name of what was read: DuckDB takes it for the column of the file that has the same name.
            unread = f"CASE WHEN ({read}) IS NULL AND trim({text}) <> '' THEN {text} END"
            kept = "NULL::VARCHAR" if kind != "VARCHAR" and field.kind in {"time", "money"} else unread
            columns.append(f"{kept} AS {_name('bad ' + field.role)}")
    connection.execute(f"CREATE TABLE {_name(table)} AS SELECT {', '.join(columns)} FROM {source}")  # noqa: S608
    return found


def _read_sql(field: Field, column: str, kind: str, time_format: str | None) -> str:
    """How to read a value of a column."""
    text = f"trim({column})" if kind == "VARCHAR" else column
    match field.kind:
        case "name":
            return f"nullif({text}, '')" if kind == "VARCHAR" else column
        case "time":
            return _time_sql(column, kind, time_format)
        case "money":
            return f"try_cast({column} AS DOUBLE)"
        case "yes_no":
            said = f"lower(CAST({text} AS VARCHAR))"
            return f"CASE WHEN {said} IN {_YES} THEN 1 WHEN {said} IN {_NO} THEN 0 END"
        case "whole" | "minor":
            # A decimal is exact, so that what is left over after the last place is seen.
            number = f"(try_cast(nullif({text}::VARCHAR, '') AS DECIMAL(30, 6)) * {10**field.exponent})"
            return f"CASE WHEN {number} = floor({number}) THEN try_cast({number} AS BIGINT) END"


def _time_sql(column: str, kind: str, time_format: str | None) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({column} AS TIMESTAMP)"
    if kind != "VARCHAR":
        return f"try_cast({column} AS TIMESTAMP)"
    if time_format is not None:
        return f"CAST(try_strptime(trim({column}), {_text(time_format)}) AS TIMESTAMP)"
    local = f"CAST(try_cast(trim({column}) AS TIMESTAMPTZ) AS TIMESTAMP)"
    plain = f"try_cast(trim({column}) AS TIMESTAMP)"
    return f"CASE WHEN {_zoned_sql(column, kind, time_format)} THEN {local} ELSE {plain} END"


def _zoned_sql(column: str, kind: str, time_format: str | None) -> str:
    """Whether a time carries a zone."""
    if kind != "VARCHAR" or time_format is not None:
        return "true" if kind == "TIMESTAMP WITH TIME ZONE" else "false"
    # Ten characters are a day. A look at the end of the others is cheaper than a search in all of them.
    end = f"right(trim({column}), 6)"
    likely = f"length({column}) > 10 AND (suffix({end}, 'Z') OR suffix({end}, 'C') OR regexp_matches({end}, '[+-]'))"
    return f"({likely} AND regexp_matches(trim({column}), '{_WITH_ZONE}'))"


def _refuse_zones(connection: Any, table: str, path: Path, field: Field, tz: str | None, *, plain_times: bool) -> None:
    mark = _name(f"zoned {field.role}")
    zoned, naive = connection.sql(
        f"SELECT count(*) FILTER ({mark}), count(*) FILTER (NOT {mark}) FROM {_name(table)} "  # noqa: S608
        f"WHERE {_name(field.role)} IS NOT NULL"
    ).fetchall()[0]
    where = f"{path.name}, column {field.column!r}"
    if zoned and naive:
        raise InvalidValue(f"{where}: {zoned:,} times carry a time zone and {naive:,} do not; write all the same way")
    if zoned and tz is None:
        raise InvalidValue(f"{where}: the times carry a time zone; say where the business is: --tz Europe/Paris")
    if naive and tz is not None and not plain_times:
        raise InvalidValue(f"{where}: the times carry no time zone and are taken as local; leave --tz out")


def _refuse_unread(connection: Any, table: str, path: Path, field: Field, remedy: str) -> None:
    kept, rows_of = _name(f"bad {field.role}"), _name(table)
    count, row, rows = connection.sql(
        f"SELECT count({kept}), min(rowid) FILTER ({kept} IS NOT NULL), count(*) FROM {rows_of}"  # noqa: S608
    ).fetchall()[0]
    if count:
        (value,) = connection.sql(f"SELECT {kept} FROM {rows_of} WHERE rowid = {row}").fetchall()[0]  # noqa: S608
        raise InvalidValue(
            f"{path.name}, column {field.column!r}: {count:,} of {rows:,} values cannot be read, "
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
