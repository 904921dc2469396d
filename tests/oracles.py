"""What a log of purchases says, counted customer by customer in plain Python from the written definitions.

Nothing here is fast, and nothing here knows how the package works: dates, dicts and loops only.
"""

import datetime as dt
import math
import random
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa

DAY = dt.timedelta(days=1)


class Order(NamedTuple):
    customer: str | int
    time: dt.datetime
    amount: float

    @property
    def day(self) -> dt.date:
        return self.time.date()


at = dt.datetime.fromisoformat


def columns(orders: Iterable[Order]) -> dict[str, pa.Array]:
    customers, times, amounts = zip(*orders, strict=True)
    return {
        "customer": pa.array(customers),
        "time": pa.array(times, pa.timestamp("us")),
        "amount": pa.array(amounts, pa.float64()),
    }


def nasty_log(customers: Iterable[str | int], *, seed: int = 1997) -> list[Order]:
    """Same-day orders, refunds, free orders, edges of days, a leap day, two new years, one-time buyers."""
    rng = random.Random(seed)
    first, days = dt.date(2023, 11, 20), 140  # to 7 April 2024, over 29 February and the week of new year
    midnight, last_second = dt.time(0, 0), dt.time(23, 59, 59, 999_999)
    orders = []
    for customer in customers:
        for _ in range(rng.choice([1, 1, 2, 4, 8, 15])):
            day = first + rng.randrange(days) * DAY
            for _ in range(rng.choice([1, 1, 1, 2])):
                hour = rng.choice([midnight, last_second, dt.time(rng.randrange(24), rng.randrange(60))])
                amount = rng.choice([0.0, -15.5, rng.randrange(1, 9_000) / 100])
                orders.append(Order(customer, dt.datetime.combine(day, hour), amount))
    for day in (dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 31)):
        edges = (midnight, last_second)
        orders += [Order(rng.choice(list(customers)), dt.datetime.combine(day, hour), 10.0) for hour in edges]
    rng.shuffle(orders)
    return orders


# --- the calendar


def opening(day: dt.date, period: str, week_start: str = "monday") -> dt.date:
    """The first day of the period that contains a day."""
    if period == "week":
        opens_on = {"monday": 0, "sunday": 6}[week_start]
        while day.weekday() != opens_on:
            day -= DAY
        return day
    if period == "quarter":
        return dt.date(day.year, {1: 1, 2: 4, 3: 7, 4: 10}[math.ceil(day.month / 3)], 1)
    return {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[period]


def closing(day: dt.date, period: str, week_start: str = "monday") -> dt.date:
    """The last day of the period that contains a day."""
    while opening(day + DAY, period, week_start) == opening(day, period, week_start):
        day += DAY
    return day


def openings(first: dt.date, last: dt.date, period: str, week_start: str = "monday") -> list[dt.date]:
    """The first days of all periods from the one that contains ``first`` to the one that contains ``last``."""
    found = [opening(first, period, week_start)]
    day = found[0]
    while day <= last:
        if opening(day, period, week_start) != found[-1]:
            found.append(day)
        day += DAY
    return found


# --- the log


def known(orders: list[Order], as_of: dt.date) -> list[Order]:
    return [order for order in orders if order.day <= as_of]


def spent(orders: list[Order], as_of: dt.date, unit: str = "day", week_start: str = "monday") -> dict[Any, dict]:
    """Net amount by customer and by the unit of time in which he or she bought, units in order."""
    table: dict[Any, dict] = defaultdict(lambda: defaultdict(float))
    for order in sorted(known(orders, as_of), key=lambda order: order.time):
        table[order.customer][opening(order.day, unit, week_start)] += order.amount
    return table


def summary(orders: list[Order], as_of: dt.date) -> dict[str, Any]:
    rows = known(orders, as_of)
    later = len(orders) - len(rows)
    return {
        "as_of": as_of,
        "customers": len({order.customer for order in rows}),
        "orders": len(rows),
        "first_day": min(order.day for order in rows),
        "last_day": max(order.day for order in rows),
        "revenue": math.fsum(order.amount for order in rows),
        "excluded": {"after as_of": later} if later else {},
    }


def rfm(orders: list[Order], as_of: dt.date, unit: str, week_start: str = "monday") -> list[dict[str, Any]]:
    """Fader, Hardie & Lee: units with a purchase after the first, and the time to the last and to as_of."""
    table = spent(orders, as_of, unit, week_start)
    calendar = openings(min(min(by_unit) for by_unit in table.values()), as_of, unit, week_start)
    number = {opened: position for position, opened in enumerate(calendar)}
    rows = []
    for customer, by_unit in table.items():
        first, *repeats = sorted(by_unit)
        rows.append(
            {
                "customer": customer,
                "frequency": len(repeats),
                "recency": number[max(by_unit)] - number[first],
                "T": len(calendar) - 1 - number[first],
                "monetary_value": math.fsum(by_unit[u] for u in repeats) / len(repeats) if repeats else None,
            }
        )
    return sorted(rows, key=lambda row: str(row["customer"]))


def status(
    orders: list[Order], as_of: dt.date, lost_after: int, at_risk_after: int | None = None
) -> list[dict[str, Any]]:
    rows = []
    for customer, by_day in spent(orders, as_of).items():
        silent = (as_of - max(by_day)).days
        name = "active"
        if at_risk_after is not None and silent > at_risk_after:
            name = "at_risk"
        if silent > lost_after:
            name = "lost"
        rows.append({"customer": customer, "last_purchase": max(by_day), "days_since": silent, "status": name})
    return sorted(rows, key=lambda row: str(row["customer"]))


def cohorts(
    orders: list[Order],
    as_of: dt.date,
    period: str = "month",
    *,
    anchor: str = "first",
    counting: str = "on",
    min_events: int = 1,
    start: dt.date | None = None,
    week_start: str = "monday",
) -> dict[str, Any] | None:
    """The cohort table cell by cell; ``None`` when there is no cohort to show."""
    bought: dict[Any, dict[dt.date, int]] = defaultdict(lambda: defaultdict(int))
    for order in known(orders, as_of):
        bought[order.customer][opening(order.day, period, week_start)] += 1
    since = dt.date.min if start is None else opening(start, period, week_start)
    members: dict[dt.date, list] = defaultdict(list)
    for customer, by_period in bought.items():
        for cohort in [min(by_period)] if anchor == "first" else by_period:
            if cohort >= since:
                members[cohort].append(customer)
    if not members:
        return None
    opened = min(members) if start is None or anchor == "first" else since
    calendar = openings(opened, as_of, period, week_start)
    now, next_day = calendar[-1], opening(as_of + DAY, period, week_start)
    table: dict[str, Any] = {"cohorts": [], "sizes": [], "retained": [], "states": []}
    for row, cohort in enumerate(calendar):
        if anchor == "first" and cohort not in members:
            continue
        counts, states = [], []
        for age in range(len(calendar)):
            if row + age >= len(calendar):
                counts.append(None)
                states.append("unobserved")
                continue
            cell = calendar[row + age]
            counted = 0
            for customer in members[cohort]:
                events = bought[customer]
                later = counting == "on_or_after"
                in_cell = sum(n for p, n in events.items() if p == cell or (later and p > cell))
                counted += in_cell >= min_events
            counts.append(counted)
            states.append("partial" if cell == now and next_day == now else "observed")
        table["cohorts"].append(cohort)
        table["sizes"].append(len(members[cohort]))
        table["retained"].append(counts)
        table["states"].append(states)
    ages = len(openings(min(table["cohorts"]), as_of, period, week_start))
    for name in ("retained", "states"):  # no column older than the oldest cohort shown
        table[name] = [row[:ages] for row in table[name]]
    return table


def repeat_purchase_rate(orders: list[Order], as_of: dt.date, min_age: int = 0) -> tuple[int, int]:
    """Buyers on two or more days, and buyers, among those who first bought at least ``min_age`` days ago."""
    grown = [days for days in spent(orders, as_of).values() if (as_of - min(days)).days >= min_age]
    return sum(len(days) >= 2 for days in grown), len(grown)


def kaplan_meier_median(closed: list[int], still_open: list[int]) -> int | None:
    """The first length by which survival has fallen to one half, in exact fractions."""
    survival = Fraction(1)
    for length in sorted(set(closed)):
        at_risk = sum(gap >= length for gap in closed + still_open)
        survival *= 1 - Fraction(closed.count(length), at_risk)
        if survival <= Fraction(1, 2):
            return length
    return None


def gaps(orders: list[Order], as_of: dt.date) -> tuple[list[int], list[int]]:
    """Days from each purchase day to the next of the same customer, and from the last one to ``as_of``."""
    closed, still_open = [], []
    for by_day in spent(orders, as_of).values():
        days = sorted(by_day)
        closed += [(later - earlier).days for earlier, later in pairwise(days)]
        still_open.append((as_of - days[-1]).days)
    return closed, still_open


def flow(
    orders: list[Order], as_of: dt.date, period: str, lost_after: int, week_start: str = "monday"
) -> dict[str, list]:
    """The base by walking through the calendar day by day and asking of each customer: still here?"""
    bought = {customer: set(days) for customer, days in spent(orders, as_of).items()}
    revenue = defaultdict(float)
    for order in known(orders, as_of):
        revenue[opening(order.day, period, week_start)] += order.amount
    first = min(min(days) for days in bought.values())
    table: dict[str, list] = defaultdict(list)
    here: set = set()
    met: set = set()
    last_seen: dict[Any, dt.date] = {}
    calendar = openings(first, as_of, period, week_start)
    for number, opened in enumerate(calendar):
        day, at_start, met_before = opened, set(here), set(met)
        buyers = set()
        new = returned = lost = 0
        while day <= as_of and (number + 1 == len(calendar) or day < calendar[number + 1]):
            for customer, days in bought.items():
                if day in days:
                    new += customer not in met
                    returned += customer in met and customer not in here
                    met.add(customer)
                    here.add(customer)
                    buyers.add(customer)
                    last_seen[customer] = day
                elif customer in here and (day - last_seen[customer]).days > lost_after:
                    here.remove(customer)
                    lost += 1
            day += DAY
        table["periods"].append(opened)
        table["complete"].append(opening(as_of + DAY, period, week_start) > opened)
        table["start"].append(len(at_start))
        table["new"].append(new)
        table["returned"].append(returned)
        table["lost"].append(lost)
        table["lost_of_start"].append(len(at_start - here))
        table["end"].append(len(here))
        table["buyers"].append(len(buyers))
        table["returning"].append(len(buyers & met_before))
        table["revenue"].append(revenue[opened])
    return table
