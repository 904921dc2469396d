"""Hazards from the firm's own book: trials counted until each package is used up, given back, or out of sight."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from retention_metrics._checks import choice, freeze, generator, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._periods import PERIODS, first_day
from retention_metrics._results import Result, text_table
from retention_metrics._stats import Intervals, wilson
from retention_metrics._typing import FloatArray, IntArray, Period
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.prepaid import Ledger
from retention_metrics.prepaid._histories import trials_of
from retention_metrics.redemption._counts import whole_count
from retention_metrics.redemption._goodness import GoodnessOfFit, compare

if TYPE_CHECKING:
    from retention_metrics.redemption._model import RedemptionModel


class ParameterDraws(NamedTuple):
    """Hazards as they might be in truth: arrays of shape (buckets, paths), one column for every path."""

    hazard: FloatArray
    refund: FloatArray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RedemptionFit(Result):
    r"""A redemption model with what it was estimated from.

    Attributes:
        model: The model.
        step: Its period.
        first: First day of the first period.
        group: For each gap bucket the number of its group: thin buckets share one hazard with their neighbours.
        exposure: Trials, of shape (periods, buckets).
        visits: Trials with a visit, of the same shape.
        refunds: Trials with a refund, of the same shape.
    """

    model: "RedemptionModel"
    step: Period
    first: dt.date
    group: IntArray
    exposure: IntArray
    visits: IntArray
    refunds: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__[3:])

    @property
    def merged(self) -> tuple[tuple[int, ...], ...]:
        """Gap buckets that share one hazard because they were thin; empty when none were."""
        groups = (np.flatnonzero(self.group == number).tolist() for number in range(int(self.group[-1]) + 1))
        return tuple(tuple(buckets) for buckets in groups if len(buckets) > 1)

    def hazard_interval(self, level: float = 0.95) -> Intervals:
        """Wilson intervals of the probability of a visit; buckets that were merged have those of their group.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            :class:`~retention_metrics.Intervals` with one element a bucket; NaN where every trial was a refund.

        References:
            Wilson (1927), *JASA* 22, 209-212.
        """
        low, high = wilson(self._pooled(self.visits), self._pooled(self.exposure - self.refunds), level)
        return Intervals(low=low, high=high, level=level, method="wilson")

    def refund_interval(self, level: float = 0.95) -> Intervals:
        """Wilson intervals of the probability of a refund; buckets that were merged have those of their group.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            :class:`~retention_metrics.Intervals` with one element a bucket.

        References:
            Wilson (1927), *JASA* 22, 209-212.
        """
        low, high = wilson(self._pooled(self.refunds), self._pooled(self.exposure), level)
        return Intervals(low=low, high=high, level=level, method="wilson")

    def draws(self, paths: int, *, rng: np.random.Generator | int) -> ParameterDraws:
        r"""Hazards as they might be in truth, given so many trials: one set for every path of a simulation.

        .. math:: h_g \sim \mathrm{Beta}(v_g + \tfrac12, \; n_g - r_g - v_g + \tfrac12), \qquad
            q_g \sim \mathrm{Beta}(r_g + \tfrac12, \; n_g - r_g + \tfrac12)

        with n trials, v visits and r refunds. Merged buckets share a draw. In a book without any refund there is none
        in the draws either.

        Args:
            paths: Number of sets, >= 1.
            rng: A generator, or a seed.

        Returns:
            A pair of arrays ``hazard`` and ``refund`` of shape (buckets, paths).

        Raises:
            InvalidValue: ``paths`` is not a whole number >= 1.
            InvalidType: ``rng`` is no generator.

        References:
            Brown, Cai & DasGupta (2001), "Interval estimation for a binomial proportion", *Statistical Science* 16(2),
            101-133, on the prior of Jeffreys.
        """
        size, random = whole_count(paths=paths), generator(rng)
        trials, visits, refunds = self._by_group()
        silent = trials - refunds - visits
        hazard = random.beta(visits[:, None] + 0.5, silent[:, None] + 0.5, (len(trials), size))
        refund = np.zeros_like(hazard)
        if refunds.any():
            refund = random.beta(refunds[:, None] + 0.5, (trials - refunds)[:, None] + 0.5, (len(trials), size))
        return ParameterDraws(hazard[self.group], refund[self.group])

    def goodness_of_fit(self, model: "RedemptionModel | None" = None) -> GoodnessOfFit:
        """Visits in the book against those that a model expects, by gap and by period.

        Each period is forecast from the silences at its beginning. A dispersion well above 1 says that customers are
        not independent: something common, a season or a rumour, moves them together.

        Args:
            model: Another model, such as one of another book; by default that of the fit.

        Returns:
            A :class:`GoodnessOfFit`.

        Raises:
            InvalidValue: The model has more buckets than the fit.
            UndefinedMetric: The model rules out what the book shows: a hazard of 0 with visits, or of 1 with silence.

        References:
            Hosmer & Lemeshow (1980), "Goodness of fit tests for the multiple logistic regression model",
            *Communications in Statistics* A9, 1043-1069.
        """
        if model is not None and not isinstance(model, type(self.model)):
            raise InvalidType(f"model must be a RedemptionModel or None, got {type(model).__name__}")
        if model is not None and model.buckets > len(self.group):
            raise InvalidValue(
                f"model has {model.buckets} gap buckets and the fit {len(self.group)}; fit with buckets={model.buckets}"
            )
        tested = self.model if model is None else model
        return compare(
            hazard=tested.hazard[np.minimum(np.arange(len(self.group)), tested.buckets - 1)],
            trials=self.exposure - self.refunds,
            visits=self.visits,
            group=self.group if model is None else None,
            step=self.step,
            first=self.first,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {"model": self.model.to_dict(), "step": self.step, "first": self.first.isoformat()} | {
            name: getattr(self, name).tolist() for name in self.__slots__[3:]
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a gap bucket, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self._columns(), backend)

    def _columns(self) -> dict[str, list[Any]]:
        hazard, refund = self.hazard_interval(), self.refund_interval()
        columns = {
            "group": self.group,
            "exposure": self.exposure.sum(axis=0),
            "visits": self.visits.sum(axis=0),
            "refunds": self.refunds.sum(axis=0),
            "hazard": self.model.hazard,
            "hazard_low": hazard.low,
            "hazard_high": hazard.high,
            "refund": self.model.refund,
            "refund_low": refund.low,
            "refund_high": refund.high,
        }
        return {"gap": list(range(len(self.group)))} | {name: array.tolist() for name, array in columns.items()}

    def __str__(self) -> str:
        """The hazards with their intervals, by gap bucket."""
        found: dict[str, list[Any]] = self._columns()
        found["gap"][-1] = f"{found['gap'][-1]}+"
        columns = {name: found[name] for name in ("gap", "exposure", "visits", "refunds")}
        for name, title in (("hazard", "95% interval"), ("refund", "95% of refund")):
            columns[name] = [f"{each:.4f}" for each in found[name]]
            limits = zip(found[f"{name}_low"], found[f"{name}_high"], strict=True)
            columns[title] = [None if low != low else f"{low:.4f}-{high:.4f}" for low, high in limits]
        notes = [f"gaps {', '.join(map(str, each))} share one hazard, being thin" for each in self.merged]
        return "\n".join([text_table(columns), *notes])

    def _by_group(self) -> tuple[IntArray, IntArray, IntArray]:
        trials, visits, refunds = (
            _grouped(counts.sum(axis=0), self.group) for counts in (self.exposure, self.visits, self.refunds)
        )
        return trials, visits, refunds

    def _pooled(self, counts: IntArray) -> IntArray:
        """Counts of the group of each bucket."""
        pooled: IntArray = _grouped(counts.sum(axis=0), self.group)[self.group]
        return pooled


def fit_book(
    make: "type[RedemptionModel]", ledger: Ledger, *, step: Period, buckets: int, min_exposure: int
) -> RedemptionFit:
    """See :meth:`RedemptionModel.fit`."""
    if not isinstance(ledger, Ledger):
        raise InvalidType(f"ledger must be a prepaid.Ledger, got {type(ledger).__name__}")
    choice(PERIODS, step=step)
    size, least = whole_count(buckets=buckets), whole(1, min_exposure=min_exposure)
    found = trials_of(ledger, step, size)
    exposure = found.exposure.sum(axis=0)
    if not exposure.any():
        raise UndefinedMetric(
            "the redemption model",
            f"no package of sessions has been in the book for a whole {step}; use a shorter step",
        )
    group = _groups(exposure, least)
    trials, visits, refunds = (
        _grouped(counts.sum(axis=0), group) for counts in (found.exposure, found.visits, found.refunds)
    )
    willing = trials - refunds
    hazard = np.divide(visits, willing, out=np.zeros(len(trials)), where=willing > 0)
    return RedemptionFit(
        model=make(hazard[group], (refunds / trials)[group], _burst(found.used, found.used_up)),
        step=step,
        first=first_day(found.first, step),
        group=group,
        exposure=found.exposure,
        visits=found.visits,
        refunds=found.refunds,
    )


def _groups(exposure: IntArray, least: int) -> IntArray:
    """Neighbouring buckets put together until each group has enough trials; what is left over joins the last group."""
    group = np.empty(len(exposure), np.int64)
    number, trials = 0, 0
    for g, more in enumerate(exposure.tolist()):
        group[g] = number
        trials += more
        if trials >= least:
            number, trials = number + 1, 0
    return np.minimum(group, max(number - 1, 0))


def _grouped(counts: IntArray, group: IntArray) -> IntArray:
    found = np.zeros(int(group[-1]) + 1, np.int64)
    np.add.at(found, group, counts)
    return found


def _burst(used: IntArray, used_up: IntArray) -> FloatArray | None:
    """Sizes of visits by the product-limit estimate: of a visit that used the rest, only the least size is known."""
    share, more = np.zeros(len(used)), 1.0
    for k in range(len(used)):
        known = int(used[k:].sum() + used_up[k + 1 :].sum())
        stops = int(used[k]) / known if known else 1.0
        share[k] = more * stops
        more *= 1 - stops
        if not known:
            break
    size = int(np.flatnonzero(share).max(initial=0)) + 1
    return None if size == 1 else share[:size] / share.sum()
