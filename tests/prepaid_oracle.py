"""A slow and obviously right ledger of prepaid packages: an event at a time, day by day, whole numbers and fractions.

Written from the rules of accounting alone: what it shares with the library are the words.
"""

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

RANK = {
    "purchase": 0,
    "opening": 1,
    "instalment": 2,
    "transfer": 3,
    "freeze": 4,
    "extension": 5,
    "visit": 6,
    "void": 7,
    "refund": 8,
}
MONEY_IN = ("collections", "taken_over", "transferred", "refund_excess")
MONEY_OUT = ("earned", "breakage", "refunds_paid", "refund_fees", "refund_gain")


def half_up(x):
    return math.floor(Fraction(x) + Fraction(1, 2))


def cumulative(price, count, k):
    return half_up(Fraction(price * k, count))


def months_later(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    try:
        return dt.date(year, month + 1, day.day)
    except ValueError:
        year, month = divmod(year * 12 + month + 1, 12)
        return dt.date(year, month + 1, 1)


class Refused(Exception):
    pass


@dataclass
class Package:
    id: object
    plan: object
    owner: object
    price: int
    sessions: int | None
    sold: dt.date
    paid: int
    taken_over: bool
    agreed_end: dt.date | None
    days_left: int | None
    segment: object = None
    used: int = 0
    started: dt.date | None = None
    started_by: dict = field(default_factory=dict)
    extra: int = 0
    freezes: list = field(default_factory=list)
    refunded: dt.date | None = None
    by_itself: bool = False
    expired: bool = False
    given_back: int = 0
    ran: int = 0
    booked_breakage: int = 0
    booked_escheat: int = 0
    booked_expired: int = 0
    idle: int = 0
    sign_today: bool = True
    remote: bool = False

    @property
    def term(self):
        return self.sessions is None

    def last_day(self):
        """Last usable day, or None when there is none (yet)."""
        if self.agreed_end is not None:
            return self.agreed_end + dt.timedelta(days=self.extra)
        if self.started is None:
            return None
        days = self.days_left or self.plan.validity_days or self.plan.term_days
        months = None if self.days_left else self.plan.validity_months or self.plan.term_months
        if months:
            end = months_later(self.started, months) - dt.timedelta(days=1)
        elif days:
            end = self.started + dt.timedelta(days=days - 1)
        else:
            return None
        return end + dt.timedelta(days=self.extra)

    def frozen_on(self, day):
        return any(first <= day <= last for first, last in self.freezes)

    def term_length(self):
        return (self.last_day() - self.started).days + 1 - self.extra

    def earned(self):
        if self.term:
            return cumulative(self.price, self.term_length(), self.ran) if self.started else 0
        return cumulative(self.price, self.sessions, self.used)

    def value(self):
        """What was paid and is not earned; below 0 the customer owes."""
        return self.paid - self.earned() - self.given_back

    def left(self):
        return 0 if self.term or self.refunded or self.expired else self.sessions - self.used


class Oracle:
    def __init__(
        self,
        events,
        plans,
        as_of,
        *,
        grace_days=0,
        allow_excess=False,
        unpaid="error",
        reconcile=False,
        closed_until=None,
    ):
        self.plans = {plan.id: plan for plan in plans}
        self.as_of, self.grace = as_of, dt.timedelta(days=grace_days)
        self.allow_excess, self.unpaid_rule, self.reconcile = allow_excess, unpaid, reconcile
        self.closed_until = closed_until
        self.packages, self.flows, self.issues, self.ignored = {}, Counter(), [], Counter()
        self.visits, self.pending, self.singles = {}, [], []
        self.signs, self.refused_sales = {}, set()
        chosen = self._read(events)
        self.known = {each["package"] for each in chosen if each["kind"] in ("purchase", "opening")}
        self.ids = {each["id"]: each for each in chosen if each.get("id") is not None}
        if chosen:
            self._live(chosen)

    def _read(self, events):
        """Each event once, up to the last day, with its row and the day on which it counts."""
        rows = []
        for row, given in enumerate(events):
            event = dict(given, row=row)
            event["posted"] = event["date"]
            recorded = event.pop("recorded", None)
            if self.closed_until and event["date"] <= self.closed_until and recorded and recorded > self.closed_until:
                if event["kind"] in ("opening", "freeze", "extension", "transfer"):
                    self._leave_out(event, "late")
                    continue
                event["posted"] = self.closed_until + dt.timedelta(days=1)
            if event["posted"] > self.as_of:
                self.ignored["after as_of"] += 1
                continue
            rows.append(event)
        once, seen, sold = [], {}, set()
        rows.sort(key=lambda e: (e["posted"], e.get("seq", 0), RANK[e["kind"]], str(e.get("id")), e["date"], e["row"]))
        for event in rows:
            content = {k: v for k, v in event.items() if k not in ("row", "posted", "id")}
            if event.get("id") is not None and event["id"] in seen:
                if seen[event["id"]] == content:
                    self.ignored["repeated"] += 1
                else:
                    self._leave_out(event, "id_taken")
                continue
            if event.get("id") is not None:
                seen[event["id"]] = content
            if event["kind"] in ("purchase", "opening"):
                if event["package"] in sold:
                    self._leave_out(event, "sold_twice")
                    continue
                sold.add(event["package"])
                if self.plans[event["plan"]].sessions is None and event["posted"] != event["date"]:
                    self._leave_out(event, "late")
                    continue
            once.append(event)
        once.sort(
            key=lambda e: (
                e["posted"],
                e.get("seq", 0),
                RANK[e["kind"]],
                e["kind"] == "visit" and e.get("package") is None,
                str(e.get("id")),
            )
        )
        return once

    def _leave_out(self, event, code):
        self.issues.append((event["row"], code))
        if event["kind"] in ("purchase", "opening"):
            self.refused_sales.add(event["package"])

    def _must_be_sold(self, package):
        if package not in self.known:
            raise Refused("sale_refused" if package in self.refused_sales else "unknown_package")

    def _live(self, events):
        today = min(each["posted"] for each in events)
        while today <= self.as_of:
            self._open_day(today)
            for event in [each for each in events if each["posted"] == today]:
                try:
                    getattr(self, "_" + event["kind"])(event)
                except Refused as refusal:
                    self.issues.append((event["row"], refusal.args[0]))
            self._close_day(today)
            today += dt.timedelta(days=1)

    # Movements

    def _post(self, day, package, name, amount):
        if amount:
            self.flows[name, (day.year, day.month), package.id, package.owner] += amount

    def _rebook(self, day, package):
        """Bring breakage, what is owed to third parties and expired sessions up to date."""
        breakage = escheat = expired = 0
        value = max(0, package.value())
        method = package.plan.breakage
        if package.refunded:
            pass
        elif package.expired:
            escheat = half_up(Fraction(value * package.plan.escheat_bps, 10_000))
            breakage = value - escheat
            expired = package.sessions - package.used
        elif method.method == "remote" and package.remote:
            breakage = value - half_up(Fraction(value * package.plan.escheat_bps, 10_000))
        elif method.method == "proportional":
            rate = method.rate_bps
            for since in sorted(method.revisions):
                if since <= day:
                    rate = method.revisions[since]
            delivered = package.earned()
            revenue = half_up(Fraction(delivered * 10_000, 10_000 - rate))
            unused = min(revenue - delivered, value)
            breakage = unused - half_up(Fraction(unused * package.plan.escheat_bps, 10_000))
        self._post(day, package, "breakage", breakage - package.booked_breakage)
        self._post(day, package, "escheat", escheat - package.booked_escheat)
        self._post(day, package, "sessions_expired", expired - package.booked_expired)
        package.booked_breakage, package.booked_escheat, package.booked_expired = breakage, escheat, expired

    def _open_day(self, today):
        for package in self.packages.values():
            if getattr(package.plan.breakage, "revisions", {}):
                self._rebook(today, package)

    def _close_day(self, today):
        for package in self.packages.values():
            end = package.last_day()
            if package.refunded:
                continue
            if package.term:
                if package.started and package.started <= today <= end and not package.frozen_on(today):
                    before = package.earned()
                    package.ran = min(package.ran + 1, package.term_length())
                    self._post(today, package, "earned", package.earned() - before)
                continue
            if package.expired:
                continue
            if package.sign_today:
                package.idle = 0
            elif not package.frozen_on(today):
                package.idle += 1
            package.sign_today = False
            if package.plan.breakage.method == "remote" and package.idle >= package.plan.breakage.dormant_days:
                package.remote = True
                self._rebook(today, package)
            if end is not None and end + self.grace <= today:
                if package.plan.expiry == "refund":
                    self._pay_back(today, package, None)
                    package.by_itself = True
                else:
                    package.expired = True
                    self._rebook(today, package)

    # Events

    def _purchase(self, event):
        plan = self.plans[event["plan"]]
        opening = event["kind"] == "opening"
        price = event["amount"] if opening else event.get("price", plan.price)
        paid = event.get("amount", price)
        package = Package(
            id=event["package"],
            plan=plan,
            owner=event["customer"],
            price=price,
            sessions=event.get("sessions", plan.sessions),
            sold=event["date"],
            paid=paid,
            taken_over=opening,
            agreed_end=event.get("expires"),
            days_left=event.get("days"),
            segment=event.get("segment"),
        )
        day = event["posted"]
        self.packages[package.id] = package
        if plan.starts == "purchase" or package.agreed_end or package.days_left:
            package.started = event["date"]
        self._sign(package, event)
        self._post(day, package, "taken_over" if opening else "collections", paid)
        if not package.term:
            self._post(day, package, "sessions_taken_over" if opening else "sessions_sold", package.sessions)
        if not opening:
            self._post(
                day, package, "commission", plan.commission + half_up(Fraction(paid * plan.commission_bps, 10_000))
            )
        if self.reconcile:
            for waiting in list(self.pending):
                visit, single = waiting
                fits = visit.get("plan") in (None, plan.id)
                if single.owner == package.owner and fits and (package.term or package.left() > 0):
                    self.pending.remove(waiting)
                    self._drop_single(day, single)
                    package.started_by[visit["id"]] = event["posted"]
                    if package.started is None:
                        package.started = event["posted"]
                    self._deliver(day, package)
                    self._rebook(day, package)
                    self.visits[visit["id"]] = package

    _opening = _purchase

    def _instalment(self, event):
        package = self._mine(event)
        amount = event["amount"]
        if package.taken_over or package.paid + amount > package.price:
            raise Refused("overpaid")
        gone = package.refunded or (not package.term and self._expired_by(package, event["posted"]))
        if gone and amount > max(0, -package.value()):
            raise Refused("overpaid")
        package.paid += amount
        self._sign(package, event)
        self._post(event["posted"], package, "collections", amount)
        self._post(
            event["posted"], package, "commission", half_up(Fraction(amount * package.plan.commission_bps, 10_000))
        )
        self._rebook(event["posted"], package)

    def _transfer(self, event):
        package = self._live_one(event)
        if event["to"] == package.owner:
            raise Refused("own_package")
        day = event["posted"]
        value = package.value() - package.booked_breakage
        self._post(day, package, "transferred", -value)
        self._post(day, package, "sessions_transferred", -package.left())
        package.owner = event["to"]
        self._post(day, package, "transferred", value)
        self._post(day, package, "sessions_transferred", package.left())
        self._sign(package, event)
        self._rebook(day, package)

    def _freeze(self, event):
        package = self._live_one(event)
        if package.started is None:
            raise Refused("not_started")
        if package.last_day() is not None and event["date"] > package.last_day():
            raise Refused("after_expiry")
        if any(last >= event["date"] for _, last in package.freezes):
            raise Refused("freezes_overlap")
        package.freezes.append((event["date"], event["until"]))
        package.extra += (event["until"] - event["date"]).days + 1

    def _extension(self, event):
        package = self._live_one(event)
        if package.term:
            raise Refused("term_extended")
        waits = package.started is None and (package.plan.validity_days or package.plan.validity_months)
        if not waits and package.last_day() is None:
            raise Refused("never_expires")
        package.extra += event["days"]

    def _visit(self, event):
        if event.get("package") is not None:
            package = self._live_one(event)
            if package.frozen_on(event["date"]):
                raise Refused("in_freeze")
            if not package.term and package.left() == 0 and not (package.expired and package.used < package.sessions):
                return self._unpaid(event, package.owner, event.get("plan", package.plan.id), "overdraw")
        else:
            package = self._best(event)
            if package is None:
                return self._unpaid(event, event["customer"], event.get("plan"), "no_package")
        package.started_by[event["id"]] = event["posted"]
        if package.started is None:
            package.started = event["posted"]
        self._deliver(event["posted"], package)
        self._sign(package, event)
        self._rebook(event["posted"], package)
        self.visits[event["id"]] = package
        return None

    def _void(self, event):
        if event.get("package") is not None:
            self._must_be_sold(event["package"])
        target = self.ids.get(event["target"])
        if target is None:
            raise Refused("unknown_target")
        if target["kind"] != "visit":
            raise Refused("not_a_visit")
        package = self.visits.get(event["target"])
        if package is None:
            raise Refused("unbooked_target")
        if package == "voided":
            raise Refused("voided_twice")
        if event.get("customer") not in (None, package.owner):
            raise Refused("other_owner")
        for waiting in self.pending:
            if waiting[0]["id"] == event["target"]:
                self.pending.remove(waiting)
                self._drop_single(event["posted"], waiting[1])
                self.visits[event["target"]] = "voided"
                self.signs.pop(event["target"])
                return
        if package.refunded:
            raise Refused("after_refund")
        if event.get("package") is not None and event["package"] != package.id:
            raise Refused("other_package")
        self.visits[event["target"]] = "voided"
        self.signs.pop(event["target"])
        self._deliver(event["posted"], package, -1)
        if package.plan.starts == "first_visit" and not package.term and package.agreed_end is None:
            last = package.last_day()
            if last is not None and event["posted"] <= last + self.grace:
                package.started_by.pop(event["target"], None)
                package.started = min(package.started_by.values(), default=None)
        self._rebook(event["posted"], package)

    def _refund(self, event):
        package = self._mine(event)
        end = package.last_day()
        ended = package.term and end is not None and event["posted"] > end
        nothing_left = ended or (not package.term and package.left() == 0)
        closed = nothing_left or package.refunded or self._expired_by(package, event["posted"])
        if closed and self.allow_excess and event.get("amount") is not None:
            self._post(event["posted"], package, "refunds_paid", event["amount"])
            self._post(event["posted"], package, "refund_excess", event["amount"])
            return
        self._live_one(event)
        if nothing_left:
            raise Refused("nothing_left")
        window = package.plan.refund.window_days
        late = window is not None and (event["date"] - package.sold).days > window
        if event.get("amount") is None and (package.plan.refund.kind == "none" or late):
            raise Refused("not_refundable")
        if event.get("amount") is not None and event["amount"] > max(0, package.value()) and not self.allow_excess:
            raise Refused("excess_refund")
        self._pay_back(event["posted"], package, event.get("amount"))

    # What events do

    def _sign(self, package, event):
        package.sign_today, package.remote, package.idle = True, False, 0
        self.signs[event.get("id")] = (package.owner, event["date"])

    def _deliver(self, day, package, sign=1):
        before = package.earned()
        package.used += sign
        if not package.term:
            self._post(day, package, "earned", package.earned() - before)
        self._post(day, package, "term_visits" if package.term else "sessions_delivered", sign)
        self._post(day, package, "delivery_cost", sign * package.plan.cost_per_session)

    def _pay_back(self, day, package, amount):
        value = max(0, package.value())
        policy = package.plan.refund
        due = value
        if policy.kind == "rerate":
            due = min(value, max(0, package.paid - package.used * package.plan.list_price))
        fee = min(due, policy.fee + half_up(Fraction(due * policy.fee_bps, 10_000)))
        if amount is None:
            paid, excess = due - fee, 0
        else:
            paid, excess = amount, max(0, amount - value)
            fee = min(fee, max(0, value - amount))
        self._post(day, package, "refunds_paid", paid)
        self._post(day, package, "refund_fees", fee)
        self._post(day, package, "refund_excess", excess)
        self._post(day, package, "refund_gain", value - paid - fee + excess)
        if not package.term:
            self._post(day, package, "sessions_refunded", package.sessions - package.used)
        package.given_back += value
        package.refunded = day
        self._rebook(day, package)

    def _unpaid(self, event, owner, named, otherwise):
        plan = self.plans.get(named)
        if plan is None and len(self.plans) == 1:
            plan = next(iter(self.plans.values()))
        if self.unpaid_rule == "error" or plan is None or plan.list_price is None:
            raise Refused(otherwise)
        single = Package(
            id=("unpaid", event["id"]),
            plan=plan,
            owner=owner,
            price=plan.list_price,
            sessions=1,
            sold=event["posted"],
            paid=0,
            taken_over=False,
            agreed_end=None,
            days_left=None,
            used=1,
        )
        self._sell_single(event["posted"], single, 1)
        self.singles.append(single)
        self.signs[event["id"]] = (owner, event["date"])
        self.visits[event["id"]] = single
        self.pending.append((event, single))

    def _sell_single(self, day, single, sign):
        self._post(day, single, "earned", sign * single.price)
        self._post(day, single, "sessions_sold", sign)
        self._post(day, single, "sessions_delivered", sign)
        self._post(day, single, "delivery_cost", sign * single.plan.cost_per_session)

    def _drop_single(self, day, single):
        self._sell_single(day, single, -1)
        self.singles.remove(single)

    # Who may do what

    def _mine(self, event):
        self._must_be_sold(event["package"])
        package = self.packages.get(event["package"])
        if package is None or event["date"] < package.sold:
            raise Refused("before_purchase")
        if event.get("customer") not in (None, package.owner):
            raise Refused("other_owner")
        return package

    def _expired_by(self, package, day):
        end = package.last_day()
        return end is not None and day > end + self.grace

    def _live_one(self, event):
        package = self._mine(event)
        if package.refunded and not package.by_itself:
            raise Refused("after_refund")
        honoured = event["date"] if event["kind"] == "visit" and package.plan.expiry != "refund" else event["posted"]
        if self._expired_by(package, honoured):
            raise Refused("after_expiry")
        return package

    def _best(self, event):
        def fits(package):
            return (
                package.owner == event["customer"]
                and event.get("plan") in (None, package.plan.id)
                and not package.refunded
                and package.sold <= event["date"]
                and (package.term or package.used < package.sessions)
                and not self._expired_by(package, event["date"] if package.plan.expiry != "refund" else event["posted"])
                and not package.frozen_on(event["date"])
            )

        ranked = sorted(
            (each for each in self.packages.values() if fits(each)),
            key=lambda p: (p.plan.priority, p.last_day() or dt.date.max, p.sold, p.id),
        )
        return ranked[0] if ranked else None

    # What it comes to

    def total(self, name, *, month=None, package=None, owner=None, until=None):
        return sum(
            amount
            for (what, when, which, who), amount in self.flows.items()
            if what == name
            and (month is None or when == month)
            and (until is None or when <= until)
            and (package is None or which == package)
            and (owner is None or who == owner)
        )

    def dormant(self, days):
        """Sessions left, value, cost and days of silence of each customer who holds sessions and has been silent."""
        found = {}
        for package in self.packages.values():
            if not package.left():
                continue
            seen = max(date for owner, date in self.signs.values() if owner == package.owner)
            silent = [seen + dt.timedelta(days=n) for n in range(1, (self.as_of - seen).days + 1)]
            idle = sum(not package.frozen_on(each) for each in silent)
            left, value, cost, before = found.get(package.owner, (0, 0, 0, math.inf))
            value += max(0, package.value())
            cost += package.left() * package.plan.cost_per_session
            found[package.owner] = (left + package.left(), value, cost, min(before, idle))
        return {owner: row for owner, row in found.items() if row[3] >= days}

    def liability(self):
        return sum(max(0, each.value() - each.booked_breakage) for each in self.packages.values())

    def asset(self):
        return sum(max(0, -each.value()) for each in [*self.packages.values(), *self.singles])
