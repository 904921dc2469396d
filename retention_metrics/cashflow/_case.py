"""What is simulated: the packages that are live and will be sold, the chances, and the streams of chance."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.cashflow._cohort_engine import MOST_TABLES, expect_cohorts, run_cohorts
from retention_metrics.cashflow._flows import MOST_MONEY, Flows
from retention_metrics.cashflow._rates import Rates
from retention_metrics.cashflow._renewal_engine import run_renewals
from retention_metrics.cashflow._sales import MOST_SOLD, SalesPath
from retention_metrics.cashflow._shocks import CommonShock
from retention_metrics.cashflow._tally import Tally, flows_of
from retention_metrics.cashflow._terms import PackageTerms, package_terms, terms_of
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.prepaid import Ledger, PackagePlan
from retention_metrics.redemption import LiveBook, live_book

Engine: TypeAlias = Literal["cohort", "renewal"]
Progress: TypeAlias = Callable[[int, int], object]

_CELL, _CELL_WITH_REFUNDS, _CELL_ALONE = 8, 13, 100
_PERIOD = 120_000
_SESSION, _SESSION_THINNED = 25, 280
"""About how many nanoseconds the engines take. The cohort engine: for a cell and period, when deviates come from tables
or one by one, and for a period of a whole portion. The renewal engine: for a session, or with thinning."""
_MOST_PATHS, _FEWEST_PATHS, _CELLS = 1024, 64, 2**17


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Packages of one kind: their money, and those live before the first period by gap and sessions left."""

    terms: PackageTerms
    start: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Everything that a simulation depends on.

    Paths are simulated in portions, each with streams of its own, so that neither the number of threads nor how many
    portions are kept changes any number.

    Attributes:
        kinds: The kinds of packages; the first one is sold.
        rates: The chances of a visit and of a refund.
        sales: Packages to be sold: a path, or whole numbers by period (and path).
        common: What moves all customers, or ``None``.
        periods: Number of periods.
        paths: Number of paths.
        engine: The engine.
        entropy: Where all streams start from.
    """

    kinds: tuple[Kind, ...]
    rates: Rates
    sales: SalesPath | IntArray
    common: CommonShock | None
    periods: int
    paths: int
    engine: Engine
    entropy: tuple[int, ...]

    @property
    def portion(self) -> int:
        """Number of paths that share streams; it depends on the case alone."""
        return max(_FEWEST_PATHS, min(_MOST_PATHS, _CELLS // self.periods))

    @property
    def portions(self) -> int:
        """Number of portions."""
        return -(-self.paths // self.portion)

    @property
    def without_refunds(self) -> PackagePlan | None:
        """The first plan, sold or live, whose packages nobody can give back."""
        return next((kind.terms.plan for kind in self.kinds if not kind.terms.refundable), None)

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
        """The exact means of independent customers, for each kind."""
        sold = self.mean_sales()
        return [
            expect_cohorts(kind.terms, kind.start, sold if i == 0 else 0.0 * sold, self.rates)
            for i, kind in enumerate(self.kinds)
        ]

    def tallies(self, number: int) -> list[Tally]:
        """The sessions and the money of a portion of the paths, for each kind of package."""
        first = number * self.portion
        paths = min(self.portion, self.paths - first)
        sales, mood, chance = (
            np.random.default_rng(each) for each in np.random.SeedSequence(self.entropy, spawn_key=(number,)).spawn(3)
        )
        sold = self._sold(first, paths, sales)
        factor = None if self.common is None else self.common.draw(periods=self.periods, paths=paths, rng=mood)
        run = run_cohorts if self.engine == "cohort" else run_renewals
        none = np.zeros_like(sold) if len(self.kinds) > 1 else sold
        found = []
        for i, kind in enumerate(self.kinds):
            found.append(run(kind.terms, kind.start, none if i else sold, self.rates, factor, chance))
        return found

    def each(self, threads: int) -> Iterator[Flows]:
        """The flows of each portion in order."""

        def flows(number: int) -> Flows:
            return flows_of(self.tallies(number))

        if threads == 1 or self.portions == 1:
            yield from map(flows, range(self.portions))
            return
        with ThreadPoolExecutor(threads) as pool:
            ahead = [pool.submit(flows, number) for number in range(min(2 * threads, self.portions))]
            for number in range(self.portions):
                found = ahead.pop(0).result()
                if number + 2 * threads < self.portions:
                    ahead.append(pool.submit(flows, number + 2 * threads))
                yield found

    def _sold(self, first: int, paths: int, rng: np.random.Generator) -> IntArray:
        if isinstance(self.sales, SalesPath):
            sold = self.sales.draw(periods=self.periods, paths=paths, rng=rng)
        elif self.sales.shape[1] == 1:
            sold = np.array(np.broadcast_to(self.sales, (self.periods, paths)))
        else:
            sold = np.ascontiguousarray(self.sales[:, first : first + paths])
        most = [float(sold.sum(axis=0).max())] + [0.0] * (len(self.kinds) - 1)
        packages = [each + int(kind.start.sum()) for each, kind in zip(most, self.kinds, strict=True)]
        if max(packages) >= MOST_SOLD:
            raise InvalidValue(f"{max(packages):.3g} packages on a path are too many; they must stay below 2**30")
        money = sum(
            each * max(kind.terms.price + kind.terms.commission, kind.terms.sessions * kind.terms.cost)
            for each, kind in zip(packages, self.kinds, strict=True)
        )
        if money * 8 >= MOST_MONEY:
            raise InvalidValue(f"the money of a path may reach {money:.3g} minor units; it must stay below 2**56")
        return sold


def kinds_of(start: Any, plan: PackagePlan, *, buckets: int, kept: int, step: Period) -> tuple[Kind, ...]:
    """The kind that is sold, with the live packages like it, and those of the live book that differ.

    Args:
        start: A ledger, a live book, or ``None``.
        plan: What is sold.
        buckets: Gap buckets of the model.
        kept: Gap buckets of the chances, which may be fewer, or more.
        step: Period.
    """
    sold = terms_of(plan, step)
    empty = np.zeros((kept, sold.sessions), np.int64)
    if start is None:
        return (Kind(sold, empty),)
    if isinstance(start, Ledger):
        _refuse_terms(start)
        start = live_book(start, step=step, buckets=max(buckets, kept))
    elif not isinstance(start, LiveBook):
        raise InvalidType(f"start must be a prepaid.Ledger, a redemption.LiveBook or None, got {type(start).__name__}")
    elif start.buckets != buckets or kept > buckets:
        raise InvalidValue(
            f"start has {start.buckets} gap buckets; the model and the events tell {max(buckets, kept)} apart; make it "
            "with as many, or pass the ledger"
        )
    if None not in (start.currency, plan.currency) and start.currency != plan.currency:
        raise InvalidValue(f"start is in {start.currency} and plan {plan.id!r} in {plan.currency}; one currency only")
    found: dict[tuple[int, ...], Kind] = {}
    for i in range(len(start)):
        kind = tuple(int(getattr(start, name)[i]) for name in ("plan", "price", "sessions", "cost"))
        if kind not in found:
            its = start.plans[kind[0]]
            if its.expiry != "never":
                raise InvalidValue(
                    f"start holds live packages of plan {its.id!r}, which may expire (expiry={its.expiry!r}); a live "
                    "book does not say when, so leave them out of it"
                )
            terms = package_terms(its, price=kind[1], sessions=kind[2], cost=kind[3], step=step)
            found[kind] = Kind(terms, np.zeros((kept, kind[2]), np.int64))
        left, count = int(start.left[i]), int(start.count[i])
        found[kind].start[min(int(start.gap[i]), kept - 1), left - 1] += count
        owed = count * int(found[kind].terms.owed[left - 1])
        if owed != start.liability[i]:
            raise InvalidValue(
                f"start[{i}]: {int(start.liability[i]):,} is owed on {count:,} packages with {left} of {kind[2]} "
                f"sessions left, not {owed:,}; a forecast needs packages that are paid in full, without breakage"
            )
    same = [key for key, kind in found.items() if _alike(kind.terms, sold)]
    live = found.pop(same[0]).start if same else empty
    return (Kind(sold, live), *found.values())


def fastest(case: Case, packages: float, sessions: float) -> Engine:
    """The engine that is expected to take less time, for so many packages and delivered sessions per path."""
    cells = case.periods * sum(kind.start.size * (kind.terms.life or 1) for kind in case.kinds)
    plain = case.common is None and bool(case.rates.usual.all())
    refunds = bool(case.rates.refund.any())
    if case.common is None:
        from_tables = case.rates.buckets <= MOST_TABLES
        cohort = float(cells * ((_CELL_WITH_REFUNDS if refunds else _CELL) if from_tables else _CELL_ALONE))
    else:
        cohort = min(cells, case.periods * packages) * _CELL_ALONE + cells * _CELL
    cohort += case.periods * _PERIOD / min(case.portion, case.paths)
    renewal = (packages + sessions) * (_SESSION if plain else _SESSION_THINNED)
    return "cohort" if cohort <= renewal else "renewal"


def _refuse_terms(ledger: Ledger) -> None:
    """Refuse a ledger that owes something on memberships for a term."""
    packages = ledger.packages()
    owed = int(packages.liability[packages.sessions == 0].sum())
    if owed:
        raise InvalidValue(
            f"start owes {owed:,} on memberships for a term, which a forecast does not follow; pass "
            "redemption.live_book(ledger), which leaves them out"
        )


def _alike(live: PackageTerms, sold: PackageTerms) -> bool:
    if live.life != sold.life or live.sessions != sold.sessions or live.refundable != sold.refundable:
        return False
    return live.price == sold.price and live.cost == sold.cost and bool((live.paid_back == sold.paid_back).all())
