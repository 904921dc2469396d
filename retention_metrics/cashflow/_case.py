"""What is simulated: the packages that are live and will be sold, the chances, and the streams of chance."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from retention_metrics._typing import BoolArray, FloatArray, IntArray, Period
from retention_metrics.cashflow._cohort_engine import MOST_TABLES, expect_cohorts, run_cohorts
from retention_metrics.cashflow._flows import MOST_MONEY, Flows
from retention_metrics.cashflow._rates import Rates, side_by_side
from retention_metrics.cashflow._renewal_engine import run_renewals
from retention_metrics.cashflow._sales import MOST_SOLD, SalesPath
from retention_metrics.cashflow._shocks import CommonShock
from retention_metrics.cashflow._start import NEVER, Start
from retention_metrics.cashflow._tally import Tally, flows_of
from retention_metrics.cashflow._terms import PackageTerms, package_terms, terms_of, unfollowed
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.prepaid._histories import FOR_EVER
from retention_metrics.prepaid._money import earned_by
from retention_metrics.redemption import LiveBook, live_book
from retention_metrics.redemption._live import some_names

Engine: TypeAlias = Literal["cohort", "renewal"]
T = TypeVar("T")
Progress: TypeAlias = Callable[[int, int], object]

_CELL, _CELL_WITH_REFUNDS, _CELL_ALONE = 11, 18, 100
_PERIOD = 120_000
_SESSION, _SESSION_THINNED = 18, 280
"""About how many nanoseconds the engines take. The cohort engine: for a cell and period, when deviates come from tables
or one by one, and for a period of a whole portion. The renewal engine: for a session, or with thinning."""
_MOST_PATHS, _FEWEST_PATHS, _CELLS = 8192, 64, 2**19
"""Paths of a portion. Large arrays: threads run side by side only while numpy computes, and waking one takes as long as
numpy does for some thousands of numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Packages of one kind: their money, those live before the first period, and the ids of these."""

    terms: PackageTerms
    start: Start
    names: tuple[Hashable, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Everything that a simulation depends on.

    Paths are simulated in portions, each with streams of its own, so that neither the number of threads nor how many
    portions are kept changes any number. All paths of a portion have the same set of chances.

    Attributes:
        kinds: The kinds of packages; the first one is sold.
        rates: The chances of a visit and of a refund, one set or several; the paths are shared out among them evenly,
            in order.
        sales: Packages to be sold: a path, or whole numbers by period (and path).
        common: What moves all customers, or ``None``.
        periods: Number of periods.
        paths: Number of paths.
        engines: The engine of each kind.
        entropy: Where all streams start from.
        uncollected: What is still to be paid for live packages, and is not expected to come.
    """

    kinds: tuple[Kind, ...]
    rates: tuple[Rates, ...]
    sales: SalesPath | IntArray
    common: CommonShock | None
    periods: int
    paths: int
    engines: tuple[Engine, ...]
    entropy: tuple[int, ...]
    uncollected: int = 0

    @property
    def portion(self) -> int:
        """The most paths that share streams; it depends on the case alone."""
        return -(-self._most_of_a_set // self._of_each_set)

    @property
    def portions(self) -> int:
        """Number of portions."""
        return len(self.rates) * self._of_each_set

    @property
    def _of_each_set(self) -> int:
        """Portions with the same set of chances; an even number for one set, for two threads, unless paths are few."""
        most = max(_FEWEST_PATHS, min(_MOST_PATHS, _CELLS // self.periods))
        portions = -(-self._most_of_a_set // most)
        return portions if len(self.rates) > 1 or self.paths <= most // 4 else portions + portions % 2

    @property
    def _most_of_a_set(self) -> int:
        return -(-self.paths // len(self.rates))

    def set_sizes(self) -> IntArray:
        """Number of paths by set of chances."""
        return np.diff(np.arange(len(self.rates) + 1) * self.paths // len(self.rates))

    @property
    def without_refunds(self) -> Kind | None:
        """The first kind, sold or live, whose packages nobody can give back."""
        return next((kind for kind in self.kinds if not kind.terms.refundable), None)

    def alone(self) -> "Case":
        """The same case, with customers who are independent of each other."""
        return replace(self, common=None)

    def mean_sales(self) -> FloatArray:
        """Expected sales by period."""
        if isinstance(self.sales, SalesPath):
            return self.sales.mean(self.periods)
        mean: FloatArray = self.sales.mean(axis=1)
        return mean

    def expected(self) -> list[Tally]:
        """The exact means of independent customers for each kind, one path for each set of chances."""
        sold, rates = self.mean_sales(), side_by_side(self.rates)
        return [
            expect_cohorts(kind.terms, kind.start, sold if i == 0 else 0.0 * sold, rates)
            for i, kind in enumerate(self.kinds)
        ]

    def tallies(self, number: int) -> Iterator[Tally]:
        """The sessions and the money of a portion of the paths, for each kind of package."""
        first, paths = self._opens(number), self._opens(number + 1) - self._opens(number)
        rates = self.rates[number // self._of_each_set]
        sales, mood, chance = (
            np.random.default_rng(each) for each in np.random.SeedSequence(self.entropy, spawn_key=(number,)).spawn(3)
        )
        sold = self._sold(first, paths, sales)
        factor = None if self.common is None else self.common.draw(periods=self.periods, paths=paths, rng=mood)
        none = np.zeros_like(sold) if len(self.kinds) > 1 else sold
        for i, (kind, engine) in enumerate(zip(self.kinds, self.engines, strict=True)):
            run = run_cohorts if engine == "cohort" else run_renewals
            yield run(kind.terms, kind.start, none if i else sold, rates, factor, chance)

    def each(self, threads: int, of: Callable[[int, Flows], T]) -> Iterator[T]:
        """What is made of the first path's place and the flows of each portion, in order.

        It is made in the thread that simulates the portion.
        """

        def made(number: int) -> T:
            return of(self._opens(number), flows_of(self.tallies(number)))

        if threads == 1 or self.portions == 1:
            yield from map(made, range(self.portions))
            return
        with ThreadPoolExecutor(threads) as pool:
            ahead = [pool.submit(made, number) for number in range(min(2 * threads, self.portions))]
            for number in range(self.portions):
                found = ahead.pop(0).result()
                if number + 2 * threads < self.portions:
                    ahead.append(pool.submit(made, number + 2 * threads))
                yield found

    def _opens(self, number: int) -> int:
        """The first path of a portion."""
        of_set, part = divmod(number, self._of_each_set)
        opens, closes = (place * self.paths // len(self.rates) for place in (of_set, of_set + 1))
        return opens + part * (closes - opens) // self._of_each_set

    def _sold(self, first: int, paths: int, rng: np.random.Generator) -> IntArray:
        if isinstance(self.sales, SalesPath):
            sold = self.sales.draw(periods=self.periods, paths=paths, rng=rng)
        elif self.sales.shape[1] == 1:
            sold = np.array(np.broadcast_to(self.sales, (self.periods, paths)))
        else:
            sold = np.ascontiguousarray(self.sales[:, first : first + paths])
        most = [float(sold.sum(axis=0).max())] + [0.0] * (len(self.kinds) - 1)
        packages = [
            each + kind.start.packages + kind.start.used_up for each, kind in zip(most, self.kinds, strict=True)
        ]
        if max(packages) >= MOST_SOLD:
            raise InvalidValue(f"{max(packages):.3g} packages on a path are too many; they must stay below 2**30")
        money = sum(
            each * max(kind.terms.price + kind.terms.commission, kind.terms.sessions * kind.terms.cost)
            for each, kind in zip(packages, self.kinds, strict=True)
        )
        if money * 8 >= MOST_MONEY:
            raise InvalidValue(f"the money of a path may reach {money:.3g} minor units; it must stay below 2**56")
        return sold


def kinds_of(start: Any, plan: PackagePlan, *, buckets: int, kept: int, step: Period) -> tuple[tuple[Kind, ...], int]:
    """The kind that is sold, with the live packages like it, and those that differ; and what is not to be collected.

    Args:
        start: A ledger, a live book, or ``None``.
        plan: What is sold.
        buckets: Gap buckets of the model.
        kept: Gap buckets of the chances, which may be fewer, or more.
        step: Period.
    """
    sold = terms_of(plan, step)
    if start is None:
        return (Kind(sold, Start.of(np.zeros((kept, sold.sessions), np.int64))),), 0
    faults: list[str] = []
    if isinstance(start, Ledger):
        faults += _terms_owed(start)
        start = live_book(start, step=step, buckets=max(buckets, kept))
    elif not isinstance(start, LiveBook):
        raise InvalidType(f"start must be a prepaid.Ledger, a redemption.LiveBook or None, got {type(start).__name__}")
    elif start.buckets < max(buckets, kept):
        raise InvalidValue(
            f"start has {start.buckets} gap buckets; the model and the events tell {max(buckets, kept)} apart; make it "
            f"with buckets={max(buckets, kept)}, or pass the ledger"
        )
    elif start.step != step:
        raise InvalidValue(f"start counts in periods of a {start.step}, and step is {step!r}; make both the same")
    if None not in (start.currency, plan.currency) and start.currency != plan.currency:
        raise InvalidValue(f"start is in {start.currency} and plan {plan.id!r} in {plan.currency}; one currency only")
    faults += _faults(start)
    if faults:
        raise InvalidValue(
            "\n".join(["start holds what a forecast does not follow:", *(f"- {each}" for each in faults)])
        )
    rows: dict[tuple[Any, ...], list[int]] = {}
    for i, due in enumerate(start.due):
        key = tuple(int(getattr(start, name)[i]) for name in ("plan", "price", "sessions", "cost", "unpaid"))
        if due or start.left[i]:
            rows.setdefault((*key, due), []).append(i)
    kinds = [_live_kind(start, of, kept) for of in rows.values()]
    same = next((kind for kind in kinds if _alike(kind.terms, sold)), None)
    if same is None:
        first = Kind(sold, Start.of(np.zeros((kept, sold.sessions), np.int64)))
    else:
        first = Kind(sold, same.start, same.names)
    return (first, *(kind for kind in kinds if kind is not same)), start.uncollected


def fastest(case: Case, kind: Kind, packages: float, sessions: float) -> Engine:
    """The engine that is expected to take less time, for so many packages and delivered sessions of a kind per path."""
    rates = case.rates[0]
    ends = set(kind.start.expires.tolist()) if kind.start.packages else set()
    blocks = len(ends)
    if packages > kind.start.packages:
        blocks += kind.terms.life or (0 if NEVER in ends else 1)
    cells = case.periods * blocks * rates.buckets * kind.terms.sessions
    plain = case.common is None and bool(rates.usual.all())
    refunds = bool(rates.refund.any())
    if case.common is None:
        from_tables = rates.shared and rates.buckets <= MOST_TABLES
        cohort = float(cells * ((_CELL_WITH_REFUNDS if refunds else _CELL) if from_tables else _CELL_ALONE))
    else:
        cohort = min(cells, case.periods * packages) * _CELL_ALONE + cells * _CELL
    cohort += case.periods * _PERIOD / min(case.portion, case.paths)
    renewal = (packages + sessions) * (_SESSION if plain else _SESSION_THINNED)
    return "cohort" if cohort <= renewal else "renewal"


def _live_kind(start: LiveBook, rows: list[int], kept: int) -> Kind:
    """Packages that differ in nothing but their silence, what is left of them, and when they rest and expire."""
    first = rows[0]
    terms = package_terms(
        start.plans[int(start.plan[first])],
        price=int(start.price[first]),
        sessions=int(start.sessions[first]),
        cost=int(start.cost[first]),
        unpaid=int(start.unpaid[first]),
        payments=start.due[first],
    )
    expires = np.where(start.trials == FOR_EVER, NEVER, start.trials)
    enters = np.minimum(start.rests, expires)
    live = [i for i in rows if start.left[i]]
    lots, which = np.unique(np.stack([enters[live], expires[live]]), axis=1, return_inverse=True)
    counts = np.zeros((lots.shape[1], kept, terms.sessions), np.int64)
    gap = np.minimum(start.gap[live], kept - 1)
    np.add.at(counts, (which.ravel(), gap, start.left[live] - 1), start.count[live])
    used_up = sum(int(start.count[i]) for i in rows if not start.left[i])
    names = tuple(name for i in rows for name in start._names[i])
    return Kind(terms, Start(counts, lots[0], lots[1], used_up), names)


def _terms_owed(ledger: Ledger) -> list[str]:
    """What a ledger owes on memberships for a term."""
    packages = ledger.packages()
    owing = (packages.sessions == 0) & (packages.liability > 0)
    if not owing.any():
        return []
    return [
        f"{int(packages.liability[owing].sum()):,} is owed on memberships for a term ({_of(packages.package[owing])}); "
        "pass redemption.live_book(ledger), which leaves them out"
    ]


def _faults(start: LiveBook) -> list[str]:
    """What is wrong with live packages, plan by plan, with their ids."""
    live, found = start.left > 0, []
    for place, plan in enumerate(start.plans):
        of_plan = (start.plan == place) & live
        if not of_plan.any():
            continue
        found += [f"plan {plan.id!r} has {what} ({_of_rows(start, of_plan)})" for what in unfollowed(plan)]
        waiting = of_plan & start.waits
        if waiting.any():
            found.append(
                f"plan {plan.id!r} counts validity from a first visit, which has yet to come "
                f"({_of_rows(start, waiting)}); leave them out of the book, or give their sale a day on which they "
                "expire"
            )
        if plan.breakage.method == "on_expiry":
            strange = of_plan & (_owed(start) != start.liability)
            if strange.any():
                owed, said = int(start.liability[strange].sum()), int(_owed(start)[strange].sum())
                found.append(
                    f"{owed:,} is owed on packages of plan {plan.id!r}, and by what was paid and used it would be "
                    f"{said:,} ({_of_rows(start, strange)}); leave them out of the book"
                )
    return found


def _owed(start: LiveBook) -> IntArray:
    """What is owed on each kind of package, by what was paid and used."""
    value = start.price - earned_by(start.price, start.sessions, start.sessions - start.left)
    owed: IntArray = start.count * np.maximum(value - start.unpaid, 0)
    return owed


def _of_rows(start: LiveBook, rows: BoolArray) -> str:
    return _of([name for i in np.flatnonzero(rows).tolist() for name in start._names[i]])


def _of(names: Sequence[Hashable]) -> str:
    """Packages by their first few ids."""
    return f"{'package' if len(names) == 1 else f'{len(names):,} packages:'} {some_names(names)}"


def _alike(live: PackageTerms, sold: PackageTerms) -> bool:
    if live.unpaid or live.sessions != sold.sessions or live.refundable != sold.refundable:
        return False
    if live.price != sold.price or live.cost != sold.cost or live.forfeits != sold.forfeits:
        return False
    return bool((live.paid_back == sold.paid_back).all())
