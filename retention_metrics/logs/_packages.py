"""Packages that are sold and then used: added up where the log is. The ledger takes the events of all others.

What a session earns depends on its rank within its package alone, and what a package holds on nothing but its own
events. So a package on which nothing happens but its sale and visits that name it needs no ledger: its visits are
counted by period, and whole numbers of money follow from the counts. Where anything else happens, to a package or to
another one of the same customer, the events are read and booked one by one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._typing import BoolArray, IntArray, Period, Weekday
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import (
    Frame,
    computed_once,
    to_labels,
    to_whole,
    with_period,
    with_running,
)
from retention_metrics.prepaid import PackagePlan
from retention_metrics.prepaid._flows import MONEY, OTHER, SESSIONS
from retention_metrics.prepaid._money import BASIS, MOST_MONEY
from retention_metrics.prepaid._packages import NEVER, anniversary
from retention_metrics.prepaid._sums import Sums

_DEAREST, _LARGEST = 2**37, 2**12
"""Prices and numbers of sessions below which engines that divide in floats divide exactly."""
_FAR = 2**30
_AFTER_NAMES = "\U0010ffff"
_OF_SALES = ("price", "sessions", "amount")
_TOLD = {"id", "recorded", "kind", "date", "package", "customer", "plan", "seq", "currency", "period"}


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A log whose packages are counted on its engine.

    Attributes:
        raw: The fields of all events up to the last day.
        events: The same as numbers, with ``odd`` = 1 for what is more than a sale or a visit that names its package.
        packages: One row a package that was sold, with ``booked`` = 1 where the ledger has to look at the events.
        plans: The plans by which ``plan`` counts, from 1.
        until: The last day.
        grace_days: Days of grace.
        group: ``["segment"]`` when segments are counted apart.
        later: Events after the last day.
        rows: Events up to then.
    """

    raw: Frame
    events: Frame
    packages: Frame
    plans: tuple[PackagePlan, ...]
    until: int
    grace_days: int
    group: list[str]
    later: int
    rows: int

    @property
    def held(self) -> Frame:
        """The packages that are counted."""
        return self.packages.filter(nw.col("booked") == 0)

    def rest(self) -> Frame:
        """The events that are not counted."""
        chosen = self.packages.select("package", "booked")
        found = self.raw.join(chosen, on="package", how="left")
        return found.filter(nw.col("booked").fill_null(1) == 1).drop("booked")

    def with_silent(self, days: int) -> "Counted":
        """The same with the packages of customers booked who may have been silent for so long with sessions left."""
        lasting = _of_plan(self.plans, [most for _, most in _spans(self.plans, self.grace_days)])
        alive = (nw.col("sessions") > nw.col("used")) & (self.until - nw.col("start") < lasting)
        seen = self.held.select("customer", "sold", "last", left=alive.cast(nw.Int32))
        people = seen.group_by("customer").agg(nw.col("sold", "last", "left").max())
        quiet = (nw.col("sold") <= self.until - days) & (nw.col("last") <= self.until - days)
        silent = people.filter(quiet & (nw.col("left") == 1)).select("customer", silent=nw.lit(1))
        marked = self.packages.join(silent, on="customer", how="left")
        booked = ((nw.col("silent").fill_null(0) + nw.col("booked")) > 0).cast(nw.Int32)
        return replace(self, packages=marked.with_columns(booked=booked).drop("silent"))


@dataclass(frozen=True, slots=True, eq=False)
class Lots:
    """Packages of one plan (and segment) that began on the same day, added up; ``ends`` is when they expired."""

    counted: Counted
    by: str | None
    key: list[Any]
    plan: IntArray
    sold: IntArray
    ends: IntArray
    totals: dict[str, IntArray]

    @property
    def expired(self) -> BoolArray:
        """Those that have expired."""
        over: BoolArray = self.ends < NEVER
        return over

    def __len__(self) -> int:
        return len(self.plan)

    @property
    def events(self) -> int:
        """The sales and visits of them all."""
        return int(self.totals["packages"].sum() + self.totals["used"].sum())

    def liability(self) -> int:
        """What is owed for them."""
        unearned = self.totals["price"] - self.totals["earned"]
        return int(np.where(self.expired, self.totals["owed_by_law"], unearned).sum())


def can_be_counted(plan: PackagePlan) -> bool:
    """Whether packages of a plan need no ledger when they are only used."""
    if plan.sessions is None or plan.expiry == "refund" or plan.breakage.method != "on_expiry":
        return False
    return plan.price < _DEAREST and plan.sessions < _LARGEST


def can_count(raw: Frame) -> bool:
    """Whether the fields of a log are there, in numbers that every engine reads alike and names that can be matched."""
    if raw.implementation.is_dask():
        # Planning so many joins takes it longer than reading the events.
        return False
    schema = raw.collect_schema()
    gapped = raw.implementation.is_pandas_like()
    money = [schema[role] for role in ("price", "amount") if role in schema]
    numbers = [schema[role] for role in ("sessions", "seq") if role in schema]
    whole = all(dtype.is_integer() or (gapped and dtype.is_float()) for dtype in numbers)
    whole &= all(dtype.is_integer() for dtype in money)
    pairs = (("to", "customer"), ("target", "id"))
    alike = all(one not in schema or schema[one] == schema.get(other) for one, other in pairs)
    return whole and alike and {"package", "customer", "plan"} <= set(schema)


def count(
    raw: Frame,
    kinds: Mapping[str, str],
    plans: tuple[PackagePlan, ...],
    *,
    until: int,
    grace_days: int,
    by: str | None,
) -> Counted:
    """Count the packages of a log on its engine; nothing but a few totals is pulled."""
    events = _marked(_events(raw, kinds, plans))
    late = (nw.col("day") > until).cast(nw.Int64)
    odd = (1 - late) * nw.col("odd").cast(nw.Int64)
    totals = to_whole(events.select(nw.len().alias("rows"), late.sum().alias("later"), odd.sum().alias("odd")))
    later, rows = int(totals["later"][0]), int(totals["rows"][0])
    if later:
        raw = raw.filter((nw.col("date") <= until) | nw.col("date").is_null())
        events = events.filter(nw.col("day") <= until)
    group = ["segment"] if by == "segment" else []
    packages = computed_once(_packages(events, plans, group, grace_days, odd=bool(totals["odd"][0])))
    return Counted(raw, events, packages, plans, until, grace_days, group, later, rows - later)


def lots_of(counted: Counted, by: str | None) -> Lots:
    """The packages that are counted, by plan and day."""
    price, sessions, earned = nw.col("price"), nw.col("sessions"), nw.col("earned")
    held = counted.held.with_columns(earned=_earned(price, sessions, nw.col("used")))
    held = held.with_columns(
        commission=_part(price, _of_plan(counted.plans, [each.commission_bps for each in counted.plans])),
        owed_by_law=_part(price - earned, _of_plan(counted.plans, [each.escheat_bps for each in counted.plans])),
        worth=price.cast(nw.Float64),
    )
    keys = [*counted.group, "plan", "sold", "start"]
    sums = ["price", "sessions", "used", "earned", "commission", "owed_by_law"]
    table = held.group_by(*keys).agg(nw.len().alias("packages"), nw.col("worth", *sums).sum()).collect()
    found = to_whole(table.select("plan", "sold", "start", "packages", *sums).lazy())
    plan = found["plan"] - 1
    dearest = np.array([float(each.cost_per_session + each.commission) for each in counted.plans])
    worth = float(table["worth"].to_numpy().sum() + (found["sessions"] * dearest[plan]).sum())
    if 2 * worth >= MOST_MONEY:
        raise InvalidValue(f"the amounts of the book may add up to {worth:.3g} minor units; they must stay below 2**59")
    return Lots(
        counted, by, _keys(table, by, counted.plans), plan, found["sold"], _ends(counted, plan, found["start"]), found
    )


def sums_of_lots(lots: Lots, ends: IntArray, *, opened: int, period: Period, week_start: Weekday) -> Sums:
    """What the packages that are counted moved, in periods of which the first has the number ``opened``."""
    counted = lots.counted
    visits = counted.events.filter((nw.col("odd") == 0) & (nw.col("visit") == 1))
    if "period" not in visits.collect_schema().names():
        visits = with_period(visits.select("package", "day"), "period", day="day", period=period, week_start=week_start)
    often = visits.group_by("package", "period").agg(nw.len().alias("visits"))
    held = counted.held.select("package", "plan", "price", "sessions", *counted.group)
    often = often.join(held, on="package", how="inner")
    often = often.with_columns(nw.col("visits").cast(nw.Int64))
    often = with_running(often, within="package", order="period", of="visits")
    now, then = nw.col("running"), nw.col("running") - nw.col("visits")
    price, sessions = nw.col("price"), nw.col("sessions")
    often = often.with_columns(earned=_earned(price, sessions, now) - _earned(price, sessions, then))
    table = often.group_by(*counted.group, "plan", "period").agg(nw.col("visits", "earned").sum()).collect()
    used = to_whole(table.select("plan", "period", "visits", "earned").lazy())
    groups = {each: place for place, each in enumerate(_every(counted.plans, lots.key, lots.by))}
    shape = len(groups), len(ends)
    moved = {name: np.zeros(shape, np.int64) for name in (*MONEY, *SESSIONS, *OTHER)}

    def add(key: list[Any], at: IntArray, some: Any = slice(None), **amounts: IntArray) -> None:
        row = np.array([groups[each] for each in key], np.int64)
        for name, values in amounts.items():
            np.add.at(moved[name], (row[some], at[some]), values[some])

    cost, commission = (
        np.array([getattr(each, name) for each in counted.plans], np.int64)
        for name in ("cost_per_session", "commission")
    )
    plan, visited = used["plan"] - 1, used["visits"]
    add(
        _keys(table, lots.by, counted.plans),
        used["period"] - opened,
        earned=used["earned"],
        sessions_delivered=visited,
        delivery_cost=visited * cost[plan],
    )
    total = lots.totals
    add(
        lots.key,
        np.searchsorted(ends, lots.sold),
        collections=total["price"],
        sessions_sold=total["sessions"],
        commission=total["packages"] * commission[lots.plan] + total["commission"],
    )
    over = lots.expired
    add(
        lots.key,
        np.searchsorted(ends, np.where(over, lots.ends, 0)),
        over,
        breakage=total["price"] - total["earned"] - total["owed_by_law"],
        escheat=total["owed_by_law"],
        sessions_expired=total["sessions"] - total["used"],
    )
    return Sums(list(groups), moved, np.zeros(shape, np.int64))


def _events(raw: Frame, kinds: Mapping[str, str], plans: tuple[PackagePlan, ...]) -> Frame:
    """The events as numbers; ``odd`` = 1 for all that is more than a sale or a visit that names its package."""
    named = [role for role, dtype in raw.collect_schema().items() if dtype in {nw.Categorical, nw.Enum}]
    if named:
        raw = raw.with_columns(nw.col(*named).cast(nw.String))
    schema = raw.collect_schema()
    given = {role: _given(role, dtype) for role, dtype in schema.items()}
    sale, visit = (_is_kind(wanted, kinds) for wanted in ("purchase", "visit"))
    plan = _place_of_plan(schema["plan"], plans)
    in_order = given["date"] & given["package"] & (visit | (sale & given["customer"] & (plan > 0)))
    odd = ~in_order | (visit & given["plan"])
    for role in schema:
        if role in (*_OF_SALES, "segment"):
            odd = odd | (visit & given[role])
        elif role not in _TOLD:
            odd = odd | given[role]
        if role in _OF_SALES and schema[role].is_float():
            odd = odd | (given[role] & ~_is_whole(role))
    if "currency" in given:
        odd = odd | (given["currency"] & (nw.col("currency").cast(nw.String) != str(plans[0].currency)))
    columns = {
        "package": nw.col("package"),
        "customer": nw.col("customer"),
        "day": _number("date", schema["date"]).cast(nw.Int32),
        "sale": sale.cast(nw.Int32),
        "visit": visit.cast(nw.Int32),
        "plan": plan.cast(nw.Int32),
        "odd": odd.fill_null(value=True).cast(nw.Int32),
    }
    for role in (*_OF_SALES, "seq"):
        if role in given:
            columns |= {role: _number(role, schema[role]), f"has_{role}": given[role].cast(nw.Int32)}
    return raw.select(
        **columns, **{role: nw.col(role) for role in ("segment", "id", "target", "to", "period") if role in given}
    )


def _marked(events: Frame) -> Frame:
    """The events with those marked as odd that came twice, or that a void takes back."""
    schema = events.collect_schema()
    if "id" not in schema:
        return events
    counts = events.filter(_given("id", schema["id"])).group_by("id").agg(nw.len().alias("times"))
    marks = [counts.filter(nw.col("times") > 1).select("id")]
    if "target" in schema:
        taken_back = events.filter(_given("target", schema["target"]))
        marks.append(taken_back.select(id=nw.col("target")).unique())
    for number, mark in enumerate(marks):
        if not int(to_whole(mark.select(nw.len().alias("rows")))["rows"][0]):
            continue
        column = f"mark_{number}"
        marked = events.join(mark.with_columns(nw.lit(1).alias(column)), on="id", how="left")
        odd = ((nw.col("odd") + nw.col(column).fill_null(0)) > 0).cast(nw.Int32)
        events = marked.with_columns(odd=odd).drop(column)
    return events


def _packages(events: Frame, plans: tuple[PackagePlan, ...], group: list[str], grace_days: int, *, odd: bool) -> Frame:
    """The packages that were sold, each with its visits; ``booked`` = 1 for those that the ledger has to take."""
    names = events.collect_schema().names()
    plain = events.filter(nw.col("odd") == 0)
    own = [each for role in (*_OF_SALES, "seq") if role in names for each in (role, f"has_{role}")]
    sales = (
        plain.filter(nw.col("sale") == 1)
        .group_by("package")
        .agg(
            nw.len().alias("sales"),
            nw.col("customer", "plan", *group).max(),
            nw.col("day").max().alias("sold"),
            *(nw.col(each).sum() for each in own),
        )
    )
    visits = (
        plain.filter(nw.col("visit") == 1)
        .with_columns(low=_name_or(_AFTER_NAMES, events), high=_name_or("", events))
        .group_by("package")
        .agg(
            nw.len().alias("used"),
            nw.col("day").min().alias("first"),
            nw.col("day").max().alias("last"),
            nw.col("low").min(),
            nw.col("high").max(),
        )
    )
    packages = sales.join(visits, on="package", how="left")
    listed = {"price": [each.price for each in plans], "sessions": [each.sessions or 1 for each in plans]}
    packages = packages.with_columns(
        nw.col("used").fill_null(0).cast(nw.Int64),
        nw.col("first").fill_null(_FAR).cast(nw.Int64),
        nw.col("last").fill_null(0).cast(nw.Int64),
        nw.col("sold").cast(nw.Int64),
        *(
            (_of_plan(plans, values) + (_own(name, plans, values) if name in names else 0)).alias(name)
            for name, values in listed.items()
        ),
    )
    waits = _of_plan(plans, [int(each.starts == "first_visit") for each in plans])
    packages = packages.with_columns(start=nw.col("sold") + waits * (nw.col("first") - nw.col("sold")))
    wrong = (
        (nw.col("sales") > 1)
        | (nw.col("first") < nw.col("sold"))
        | (nw.col("used") > nw.col("sessions"))
        | (nw.col("last") - nw.col("start") >= _of_plan(plans, [fewest for fewest, _ in _spans(plans, grace_days)]))
        | (_is_another("low", _AFTER_NAMES, events) | _is_another("high", "", events)).fill_null(value=False)
    )
    for name, low, beyond in (("price", 0, _DEAREST), ("sessions", 1, _LARGEST)):
        if name in names:
            wrong = wrong | (nw.col(name) < low) | (nw.col(name) >= beyond)
    if "amount" in names:
        wrong = wrong | ((nw.col("has_amount") > 0) & (nw.col("amount") != nw.col("price")))
    if "seq" in names:
        wrong = wrong | ((nw.col("has_seq") > 0) & (nw.col("first") == nw.col("sold")))
    packages = packages.with_columns(booked=wrong.cast(nw.Int32))
    kept = ["package", "customer", "plan", "sold", "start", "last", "used", "price", "sessions", *group, "booked"]
    packages = packages.select(*kept)
    if odd:
        packages = _with_odd(packages, events.filter(nw.col("odd") == 1))
    people = packages.group_by("customer").agg(nw.col("booked").max().alias("any"))
    packages = packages.join(people, on="customer", how="left")
    return packages.with_columns(booked=nw.col("any")).drop("any")


def _has_gaps_as_objects(events: Frame) -> bool:
    """Whether names without a value are objects that do not compare with text, as in older pandas."""
    return events.implementation.is_pandas_like() and events.collect_schema()["customer"] == nw.String


def _name_or(bound: str, events: Frame) -> nw.Expr:
    """The customer, or where none is named a text that is beyond all names."""
    name = nw.col("customer")
    return name.fill_null(bound) if _has_gaps_as_objects(events) else name


def _is_another(column: str, bound: str, events: Frame) -> nw.Expr:
    """Whether a visit names another customer than the package does."""
    differs = nw.col(column) != nw.col("customer")
    return differs & (nw.col(column) != bound) if _has_gaps_as_objects(events) else differs


def _with_odd(packages: Frame, odd: Frame) -> Frame:
    """The packages with those booked that odd events name, or whose owner they name."""
    named = odd.group_by("package").agg(nw.len().alias("by_package"))
    packages = packages.join(named.filter(~nw.col("package").is_null()), on="package", how="left")
    found = nw.col("booked") + nw.col("by_package").fill_null(0)
    for column in ("customer", "to"):
        if column in odd.collect_schema().names():
            people = odd.filter(~nw.col(column).is_null()).group_by(column).agg(nw.len().alias(f"by_{column}"))
            people = people.rename({column: "customer"}) if column != "customer" else people
            packages = packages.join(people, on="customer", how="left")
            found = found + nw.col(f"by_{column}").fill_null(0)
    marked = packages.with_columns(booked=(found > 0).cast(nw.Int32))
    return marked.drop("by_package", "by_customer", "by_to", strict=False)


def _is_kind(wanted: str, kinds: Mapping[str, str]) -> nw.Expr:
    names = [name for name, kind in kinds.items() if kind == wanted] + ([] if wanted in kinds else [wanted])
    return nw.col("kind").cast(nw.String).is_in(names).fill_null(value=False)


def _given(role: str, dtype: nw.dtypes.DType) -> nw.Expr:
    """Whether an event has a field; an empty name is none."""
    there = ~nw.col(role).is_null()
    return there if dtype.is_numeric() else there & (nw.col(role).cast(nw.String) != "").fill_null(value=False)


def _is_whole(role: str) -> nw.Expr:
    """Whether a float is a whole number that floats tell from its neighbours."""
    value = nw.col(role)
    return value.is_finite() & (value.abs() < 2**53) & (value % 1 == 0)


def _number(role: str, dtype: nw.dtypes.DType) -> nw.Expr:
    """A field as a whole number, 0 where it is none."""
    if dtype.is_float():
        return nw.when(_is_whole(role)).then(nw.col(role)).otherwise(0.0).cast(nw.Int64)
    return nw.col(role).fill_null(0).cast(nw.Int64)


def _place_of_plan(dtype: nw.dtypes.DType, plans: Iterable[PackagePlan]) -> nw.Expr:
    """The place of the plan that an event names, from 1; 0 for none, and for one whose packages are not counted."""
    named = nw.col("plan") if dtype.is_numeric() else nw.col("plan").cast(nw.String)
    place = nw.lit(0)
    for number, plan in enumerate(plans, start=1):
        if can_be_counted(plan) and isinstance(plan.id, int) == dtype.is_numeric():
            place = place + (named == plan.id).fill_null(value=False).cast(nw.Int64) * number
    return place


def _of_plan(plans: Sequence[PackagePlan], values: Sequence[int]) -> nw.Expr:
    """A value of the plan of each package."""
    found = nw.lit(0)
    for number, (_, value) in enumerate(zip(plans, values, strict=True), start=1):
        if value:
            found = found + (nw.col("plan") == number).cast(nw.Int64) * value
    return found


def _own(name: str, plans: Sequence[PackagePlan], values: Sequence[int]) -> nw.Expr:
    """By how much the own value of a package stands above that of its plan."""
    return (nw.col(name) - _of_plan(plans, values)) * nw.col(f"has_{name}")


def _earned(price: nw.Expr, sessions: nw.Expr, used: nw.Expr) -> nw.Expr:
    """What so many used sessions have earned, as ``prepaid._money.earned_by``."""
    return (price * used * 2 + sessions) // (sessions * 2)


def _part(amount: nw.Expr, bps: nw.Expr) -> nw.Expr:
    """Basis points of an amount, as ``prepaid._money.part_of``."""
    return (amount * bps * 2 + BASIS) // (2 * BASIS)


def _spans(plans: Sequence[PackagePlan], grace_days: int) -> list[tuple[int, int]]:
    """The fewest and the most days for which packages of each plan are good, whenever they begin."""
    cycle = np.arange(146_097) + 1
    found = []
    for plan in plans:
        if plan.validity_months:
            days = anniversary(cycle, np.full(len(cycle), plan.validity_months)) - cycle
            found.append((int(days.min()) + grace_days, int(days.max()) + grace_days))
        else:
            found.append(((plan.validity_days or _FAR) + grace_days,) * 2)
    return found


def _ends(counted: Counted, plan: IntArray, start: IntArray) -> IntArray:
    """The day on which packages expired, :data:`NEVER` for those that have not."""
    days, months = (
        np.array([getattr(each, name) or 0 for each in counted.plans], np.int64)[plan]
        for name in ("validity_days", "validity_months")
    )
    ends = np.where(days > 0, start + days - 1, NEVER)
    monthly = (months > 0) & (start < _FAR)
    ends[monthly] = anniversary(start[monthly], months[monthly]) - 1
    ends = ends + counted.grace_days
    return np.where(ends <= counted.until, ends, NEVER)


def _keys(table: nw.DataFrame[Any], by: str | None, plans: Sequence[PackagePlan]) -> list[Any]:
    """The group of each row of a small table."""
    if by == "segment":
        numbers = table["segment"].dtype.is_numeric()
        return [int(each) if numbers and each is not None else each for each in to_labels(table["segment"])]
    return [plans[place - 1].id if by == "plan" else None for place in table["plan"].to_list()]


def _every(plans: Sequence[PackagePlan], found: list[Any], by: str | None) -> list[Any]:
    """All groups, in the order of a ledger."""
    if by == "plan":
        return [each.id for each in plans]
    return [*sorted(set(found) - {None}, key=lambda each: (isinstance(each, str), each)), None]
