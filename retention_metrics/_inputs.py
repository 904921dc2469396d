"""The files of a report: which columns they have, the options that name them, and the logs made of them."""

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retention_metrics._files import Field, Kind, read_plans, read_table
from retention_metrics.errors import InvalidValue
from retention_metrics.logs import PrepaidEvents, Responses, Subscriptions, Transactions


@dataclass(frozen=True, slots=True)
class Part:
    """A column that a file may have: the part it plays, its usual name, how it is read, and what it holds."""

    role: str
    usual: str
    kind: Kind
    holds: str
    option: str = ""
    needed: bool = False


ORDERS = (
    Part("customer", "client_id", "name", "column of customer ids", "--customer", needed=True),
    Part("time", "paid_at", "time", "column of the time of purchase", "--time", needed=True),
    Part("amount", "sum", "money", "column of the money paid", "--amount"),
    Part("source", "source", "name", "column of where the customer came from", "--source"),
)
SUBSCRIPTIONS = (
    Part("customer", "client_id", "name", "column of customer ids", needed=True),
    Part("start", "start", "time", "column of the first day", needed=True),
    Part("end", "end", "time", "column of the day on which it no longer runs, empty while it runs on", needed=True),
    Part("plan", "plan", "name", "column of the plan"),
    Part("amount", "amount", "money", "column of the money per month"),
)
SURVEY = (
    Part("customer", "client_id", "name", "column of customer ids", needed=True),
    Part("time", "answered_at", "time", "column of the time of the answer", needed=True),
    Part("score", "score", "money", "column of the answer, 0 to 10", needed=True),
    Part("reason", "reason", "name", "column of the coded reason"),
    Part("may_contact", "agreed", "yes_no", "column of who agreed to be contacted", "--survey-agreed"),
    Part("segment", "segment", "name", "column of the segment"),
    Part("agent", "agent", "name", "column of who collected the answer"),
)
PREPAID = (
    Part("id", "event_id", "name", "column of the id of an event"),
    Part("kind", "kind", "name", "column of the kind of event: purchase, visit, refund and the others", needed=True),
    Part("date", "date", "time", "column of the day", needed=True),
    Part("package", "package", "name", "column of the package"),
    Part("customer", "customer", "name", "column of customer ids"),
    Part("plan", "plan", "name", "column of the plan"),
    Part("amount", "amount", "minor", "column of the money, in minor units (cents)"),
    Part("price", "price", "minor", "column of a price of its own"),
    Part("sessions", "sessions", "whole", "column of a number of sessions of its own"),
    Part("days", "days", "whole", "column of days, of a freeze or extension"),
    Part("until", "until", "time", "column of the last day of a freeze"),
    Part("expires", "expires", "time", "column of a day of expiry of its own"),
    Part("to", "to", "name", "column of who receives a package"),
    Part("target", "target", "name", "column of the event that is taken back"),
    Part("seq", "seq", "whole", "column of the order of events within a day"),
)
ADS = (
    Part("month", "month", "name", "column of the month, as 2026-10", needed=True),
    Part("channel", "channel", "name", "column of the channel", needed=True),
    Part("spend", "spend", "money", "column of the money spent", needed=True),
)
FILES: Mapping[str, tuple[Part, ...]] = {
    "orders": ORDERS,
    "subscriptions": SUBSCRIPTIONS,
    "survey": SURVEY,
    "prepaid": PREPAID,
    "ads": ADS,
}
_SHOWN = {
    "orders": "one row an order",
    "subscriptions": "one row a subscription",
    "survey": "one row an answer",
    "prepaid": "one row an event of a prepaid package",
    "ads": "advertising spend, one row a month and channel",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that name the files and their columns."""
    for name, parts in FILES.items():
        group = parser.add_argument_group(_SHOWN[name])
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help="CSV or Parquet file")
        for part in parts:
            shown = f"{part.holds} (default: {part.usual}{'' if part.needed else ', if there is one'})"
            group.add_argument(_option(name, part), dest=_key(name, part), metavar="COLUMN", help=shown)
        if name == "prepaid":
            group.add_argument("--plans", type=Path, metavar="FILE.json", help="list of PackagePlan as JSON")
            group.add_argument("--prepaid-units", action="store_true", help="the money is in units, not in cents")


def read_logs(
    connection: Any, options: argparse.Namespace, reading: Callable[[str], AbstractContextManager[object]]
) -> dict[str, Any]:
    """The logs of the files that were given, as the arguments of the report."""
    logs: dict[str, Any] = {}
    on_invalid: Literal["raise", "exclude"] = "exclude" if options.exclude_invalid else "raise"
    for name, parts in FILES.items():
        path = getattr(options, name)
        if path is None:
            continue
        fields = [_field(name, part, options) for part in parts]
        with reading(path.name):
            table, roles = read_table(
                connection,
                name,
                path,
                fields,
                tz=options.tz,
                time_format=options.time_format,
                plain_times=name != "orders",
            )
        named: dict[str, Any] = {role: role for role in roles}
        if name == "orders":
            named.pop("source", None)
            logs[name] = Transactions(table, **named, week_start="monday", on_invalid=on_invalid)
        elif name == "subscriptions":
            logs[name] = Subscriptions(table, **named, on_invalid=on_invalid)
        elif name == "survey":
            logs[name] = Responses(table, **named, on_invalid=on_invalid)
        elif name == "prepaid":
            if options.plans is None:
                raise InvalidValue(f"{path.name} needs the plans that its events name: --plans FILE.json")
            logs |= {"prepaid": PrepaidEvents(table, **named), "plans": read_plans(options.plans)}
        else:
            logs[name] = table.fetchall()
            logs[name] = {column: [row[i] for row in logs[name]] for i, column in enumerate(table.columns)}
    if options.plans is not None and options.prepaid is None:
        raise InvalidValue(f"{options.plans.name} belongs to a file of events: --prepaid FILE")
    return logs


def _field(name: str, part: Part, options: argparse.Namespace) -> Field:
    given = getattr(options, _key(name, part))
    exponent = options.decimals if part.kind == "minor" and options.prepaid_units else 0
    return Field(
        role=part.role,
        column=part.usual if given is None else given,
        kind=part.kind,
        option=_option(name, part),
        given=given is not None,
        needed=part.needed,
        exponent=exponent,
    )


def _option(name: str, part: Part) -> str:
    return part.option or f"--{name}-{part.role}"


def _key(name: str, part: Part) -> str:
    return f"{name}_{part.role}"
