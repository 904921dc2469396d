"""A service business that does not exist: two years of a beauty studio, from a seed.

Its clients come from a few channels; those with coupons seldom return, and nobody comes for the leaflets. Some buy
packages; most holders use them up, some fall silent, and of those who bought in the sale of November 2025 hardly any
came back. Some join a club and pay by the month, and those who leave it leave early. Those who are asked are less and
less content, because they wait, and what the administrator enters at the end of each month was not said by clients.
"""

import csv
import datetime as dt
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retention_metrics._checks import whole
from retention_metrics._typing import FloatArray, IntArray
from retention_metrics.prepaid import PackagePlan, RefundPolicy

AS_OF = dt.date(2026, 10, 31)
_ORDERS = ("client_id", "paid_at", "sum", "source")
_SUBSCRIPTIONS = ("client_id", "plan", "start", "end", "amount")
_SURVEY = ("client_id", "answered_at", "score", "reason", "agreed", "agent")
_PREPAID = ("event_id", "kind", "date", "package", "customer", "plan", "amount")
_ADS = ("month", "channel", "spend")

_DAYS = 730
_FIRST = AS_OF - dt.timedelta(days=_DAYS - 1)
_SERVICES = np.array([25.0, 40.0, 55.0, 70.0, 120.0])

_CHANNELS = ("search", "maps", "instagram", "coupons", "word of mouth")
_CAME_ONCE, _CAME_AGAIN = (32, 50, 69, 91, 100), (36, 61, 81, 84, 100)
"""Of a hundred clients, those from a channel and the ones before it: who came once brought a coupon more often."""
_BUDGETS = {"search": 480, "maps": 160, "instagram": 1000, "coupons": 400, "leaflets": 150}
"""Spend of the first month; that of the last is twice as much."""

PLANS = (
    PackagePlan(id="massage-10", price=400_00, sessions=10, cost_per_session=16_00, list_price=48_00),
    PackagePlan(
        id="facial-5",
        price=260_00,
        sessions=5,
        cost_per_session=19_00,
        list_price=60_00,
        validity_days=180,
        expiry="forfeit",
        refund=RefundPolicy(kind="none"),
    ),
)
HAZARD = (0.74, 0.45, 0.26, 0.15, 0.09, 0.06, 0.04)
"""Chance that a holder comes in a month, by the silent months before."""
_REFUND = 0.006
_SALE = dt.date(2025, 11, 24)

_CLUB = (("club", 45), ("club plus", 69), ("club gold", 99))

STAFF = "administrator"
_AGENTS = ("sms", "e-mail", "tablet", "sms")
_CONTENT, _DISCONTENT = (0, 0, 0, 0, 0, 0, 4, 14, 30, 56, 100), (4, 7, 11, 18, 27, 40, 56, 71, 85, 95, 100)
"""Of a hundred answers, those up to each score from 0 to 10."""
_PRAISE = ("result", "result", "staff", "staff", "atmosphere", "")
_BLAME = ("waiting", "waiting", "waiting", "price", "result", "")


def write_studio(folder: Path, seed: int = 7) -> dict[str, Path]:
    """Write the files of the studio into a folder; the same seed writes the same bytes.

    - ``orders``: visits paid at the desk one by one, and refunds; ``source`` is the channel that brought the client.
    - ``subscriptions``: members of the club; ``amount`` is the price of a month, and ``end`` the first day on which it
      no longer runs, empty unless they left or have given notice.
    - ``survey``: scores from 0 to 10; ``agreed`` to be contacted is ``true`` or ``false``.
    - ``prepaid``: events of packages, and ``plans``: the list of the :class:`~retention_metrics.prepaid.PackagePlan`
      that they name, as JSON.
    - ``ads``: spend by month (``2026-10``) and channel.

    Money is in cents in the prepaid events and plans, and in whole units elsewhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orders = _draw_orders(seed)
    tables = {
        "subscriptions": (_SUBSCRIPTIONS, _subscriptions(orders, _stream(seed, 1))),
        "survey": (_SURVEY, _survey(orders, _stream(seed, 2))),
        "prepaid": (_PREPAID, _prepaid(orders, _stream(seed, 3))),
        "ads": (_ADS, _ads(_stream(seed, 4))),
    }
    paths = {"orders": folder / "demo-orders.csv"}
    _write_orders(paths["orders"], orders)
    for name, (columns, rows) in tables.items():
        paths[name] = folder / f"demo-{name}.csv"
        _write(paths[name], columns, rows)
    paths["plans"] = folder / "demo-plans.json"
    plans = json.dumps([plan.model_dump(mode="json") for plan in PLANS], indent=2)
    paths["plans"].write_text(plans + "\n", encoding="utf-8", newline="\n")
    return paths


def write_orders(path: Path, seed: int = 7) -> None:
    """Write the studio's orders as CSV: client_id, paid_at, sum, source.

    Clients arrive more often each month and in spring; each has a rhythm of visits and stays for a while, short
    for most and long for some. A few visits are refunded on the same day.
    """
    _write_orders(path, _draw_orders(seed))


class _Orders(NamedTuple):
    """Orders by time, and what is known of the clients by their number."""

    client: IntArray
    day: IntArray
    minute: IntArray
    paid: FloatArray
    channel: IntArray

    def visits(self) -> list[list[int]]:
        """The days on which each client came, in order."""
        days: list[list[int]] = [[] for _ in self.channel]
        for client, day, paid in zip(self.client.tolist(), self.day.tolist(), self.paid.tolist(), strict=True):
            if paid > 0:
                days[client].append(day)
        return days


def _draw_orders(seed: int) -> _Orders:
    rng = np.random.default_rng(whole(0, seed=seed))
    arrival = np.sort(rng.choice(_DAYS, size=1400, p=_arrivals()))
    stay = rng.exponential(rng.gamma(1.2, 220.0, arrival.size))
    rhythm = rng.gamma(6.0, 5.0, arrival.size) + 7
    span = np.minimum(stay, _DAYS - 1 - arrival)
    visits = rng.poisson(span / rhythm)
    client = np.concatenate([np.arange(arrival.size), np.repeat(np.arange(arrival.size), visits)])
    later = np.repeat(arrival, visits) + np.ceil(rng.random(visits.sum()) * np.repeat(span, visits))
    day = np.concatenate([arrival, later]).astype(np.int64)
    minute = rng.integers(9 * 60, 20 * 60, day.size)
    paid = rng.choice(_SERVICES, size=day.size, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    refunded = rng.random(day.size) < 0.01
    client, day = np.append(client, client[refunded]), np.append(day, day[refunded])
    minute, paid = np.append(minute, minute[refunded] + 30), np.append(paid, -paid[refunded])
    order = np.lexsort((client, minute, day))
    found = _stream(seed, 0).integers(0, 100, arrival.size)
    once, again = (np.searchsorted(shares, found, side="right") for shares in (_CAME_ONCE, _CAME_AGAIN))
    channel = np.where(visits == 0, once, again)
    return _Orders(client[order], day[order], minute[order], paid[order], channel)


def _stream(seed: int, place: int) -> np.random.Generator:
    """Random numbers of its own for each part, so that none of them changes another."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place,)))


def _arrivals() -> FloatArray:
    days = np.arange(_DAYS)
    weight = (1 + days / _DAYS) * (1 + 0.3 * np.sin(2 * np.pi * days / 365.25))
    return np.asarray(weight / weight.sum())


def _subscriptions(orders: _Orders, rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Members of the club: some leave, mostly early, some of them come back; some change the plan."""
    rows: list[tuple[dt.date, int, int, dt.date | None]] = []
    for client, visits in enumerate(orders.visits()):
        if len(visits) < 3 or rng.random() > 0.25:
            continue
        joined = _date(visits[1] + int(rng.integers(1, 15)))
        joined += dt.timedelta(days=3 if joined.day > 28 else 0)
        level = int(rng.random() < 0.3)
        while joined <= AS_OF:
            months, began, leaves = 0, joined, False
            while not leaves and (due := _months_after(joined, months + 1)) <= AS_OF:
                months += 1
                chance, churn = rng.random(), 0.14 if months <= 3 else 0.04
                leaves = chance < churn
                step = int(chance > 0.96) - int(churn <= chance < churn + 0.015)
                other = min(max(level + step, 0), len(_CLUB) - 1)
                if leaves or other != level:
                    rows.append((began, client, level, due))
                    began, level = due, other
            if not leaves:
                rows.append((began, client, level, due if rng.random() < 0.05 else None))
            if not leaves or rng.random() > 0.25:
                break
            joined = _months_after(began, int(rng.integers(1, 5)))
    return [
        (_name(client), _CLUB[level][0], began, end or "", f"{_CLUB[level][1]}.00")
        for began, client, level, end in sorted(rows, key=lambda row: row[:2])
    ]


def _survey(orders: _Orders, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    """Answers within three days of a visit; those of the administrator all at once in the evening that ends a month."""
    asked = np.flatnonzero((orders.paid > 0) & (rng.random(orders.paid.size) < 0.18))
    staff = rng.random(asked.size) < 0.12
    ends = np.array([_month_end(day) for day in range(_DAYS)])
    day = np.where(staff, ends[orders.day[asked]], orders.day[asked] + rng.integers(1, 4, asked.size))
    client = orders.client[asked]
    seen = np.unique(client * _DAYS * 2 + day, return_index=True)[1]
    kept = seen[day[seen] < _DAYS]
    staff, day, client = staff[kept], day[kept], client[kept]
    entered = np.array([np.count_nonzero(staff[:place] & (day[:place] == day[place])) for place in range(kept.size)])
    second = np.where(staff, 20 * 3600 + 7 * entered, rng.integers(8 * 3600, 22 * 3600, kept.size))
    discontent = rng.random(kept.size) < 0.05 + 0.55 * day / _DAYS
    drawn = rng.integers(0, 100, kept.size)
    score = np.where(
        discontent,
        np.searchsorted(_DISCONTENT, drawn, side="right"),
        np.searchsorted(_CONTENT, drawn, side="right"),
    )
    score = np.where(staff, np.where(drawn < 92, 10, 9), score)
    why, agreed, agent = (rng.integers(0, size, kept.size) for size in (len(_PRAISE), 10, len(_AGENTS)))
    for i in np.lexsort((client, second, day)).tolist():
        when = dt.datetime.combine(_date(day[i]), dt.time()) + dt.timedelta(seconds=int(second[i]))
        reasons = _PRAISE if score[i] >= 8 else _BLAME
        yield (
            _name(client[i]),
            when.isoformat(" "),
            int(score[i]),
            "staff" if staff[i] else reasons[why[i]],
            "false" if staff[i] or agreed[i] >= 6 else "true",
            STAFF if staff[i] else _AGENTS[agent[i]],
        )


def _prepaid(orders: _Orders, rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Packages sold at a visit, or in the sale to clients about to leave; after half of those used up comes another."""
    massage, facial = PLANS
    sale = (_SALE - _FIRST).days
    sold: deque[tuple[int, int, PackagePlan, int]] = deque()
    for client, visits in enumerate(orders.visits()):
        if len(visits) > 1 and rng.random() < 0.3:
            at = visits[int(rng.integers(1, len(visits)))]
            sold.append((client, at, massage if rng.random() < 0.65 else facial, 0))
        if visits[0] <= sale and sale - 40 <= visits[-1] <= sale + 20 and rng.random() < 0.8:
            sold.append((client, sale + int(rng.integers(0, 7)), massage, 3))
    events = []
    packages = 0
    while sold:
        client, at, plan, silent = sold.popleft()
        packages += 1
        life = list(_life(plan, at, silent, rng))
        for place, (day, kind, amount) in enumerate(life):
            events.append((day, packages, place, kind, client, plan.id, amount))
        if len(life) == 1 + (plan.sessions or 0) and life[-1][1] == "visit" and rng.random() < 0.5:
            sold.append((client, life[-1][0], plan, 0))
    events.sort()
    numbers: dict[int, int] = {}
    return [
        (
            f"event-{row:05d}",
            kind,
            _date(day),
            f"package-{numbers.setdefault(package, len(numbers) + 1):04d}",
            _name(client),
            plan_id if kind == "purchase" else "",
            "" if amount is None else amount,
        )
        for row, (day, package, _, kind, client, plan_id, amount) in enumerate(events, 1)
    ]


def _life(plan: PackagePlan, day: int, silent: int, rng: np.random.Generator) -> Iterator[tuple[int, str, int | None]]:
    """What becomes of a package month by month: the chance of a visit falls with the months of silence before."""
    yield day, "purchase", plan.price
    sessions = left = plan.sessions or 0
    last = _DAYS - 1 if plan.validity_days is None else min(day + plan.validity_days, _DAYS) - 1
    while left and day <= last:
        end = min(_month_end(day), last)
        chance = rng.random()
        if plan.refund.kind == "pro_rata" and chance > 1 - _REFUND:
            yield int(rng.integers(day, end + 1)), "refund", plan.price * left // sessions
            return
        if chance < HAZARD[min(silent, len(HAZARD) - 1)]:
            more = rng.random()
            visits = min(left, 1 + (more > 0.6) + (more > 0.9))
            for at in sorted(rng.integers(day, end + 1, visits).tolist()):
                yield at, "visit", None
            left, silent = left - visits, 0
        else:
            silent += 1
        day = end + 1


def _ads(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for month in range(24):
        for channel, budget in _BUDGETS.items():
            spend = budget * (23 + month) * int(rng.integers(90, 111)) // 2300
            yield f"{_months_after(_FIRST, month):%Y-%m}", channel, f"{spend}.00"


def _write_orders(path: Path, orders: _Orders) -> None:
    def rows() -> Iterator[tuple[str, ...]]:
        for client, day, minute, paid in zip(*(column.tolist() for column in orders[:4]), strict=True):
            moment = dt.datetime.combine(_date(day), dt.time()) + dt.timedelta(minutes=minute)
            yield _name(client), moment.isoformat(" ", "minutes"), f"{paid:.2f}", _CHANNELS[orders.channel[client]]

    _write(path, _ORDERS, rows())


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def _name(client: int) -> str:
    return f"client-{client + 1:04d}"


def _date(day: int) -> dt.date:
    return _FIRST + dt.timedelta(days=int(day))


def _month_end(day: int) -> int:
    """The last day of the month that a day is in."""
    return (_months_after(_date(day).replace(day=1), 1) - _FIRST).days - 1


def _months_after(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1)
