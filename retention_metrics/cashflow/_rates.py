"""The chances of a visit and of a refund in every period, with what happens to all customers at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._typing import BoolArray, FloatArray, IntArray
from retention_metrics.cashflow._shocks import Event, MassReturn, RefundRun, refuse_late, refuse_unlisted
from retention_metrics.errors import InvalidType
from retention_metrics.redemption import RedemptionModel

_ENOUGH = 300
"""Paths from which on tables for their probabilities alone are worth while."""


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Probabilities by period and gap bucket, without those buckets at the end that are all the same.

    Attributes:
        hazard: Probability of a visit when no refund is asked for, of shape (periods, buckets).
        refund: Probability of a refund.
        usual: Whether a period has the probabilities of the model, and no event.
        burst: Probability that a visit uses 1, 2, ... sessions; ``None`` for always one.
        shared: Whether so many paths have these probabilities that tables of deviates pay.
    """

    hazard: FloatArray
    refund: FloatArray
    usual: BoolArray
    burst: FloatArray | None
    shared: bool = True

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "hazard", "refund", "usual", "burst")

    @property
    def periods(self) -> int:
        """Number of periods."""
        return len(self.hazard)

    @property
    def buckets(self) -> int:
        """Number of gap buckets that differ."""
        return len(self.hazard[0])

    @property
    def largest_visit(self) -> int:
        """The most sessions that a visit uses."""
        return 1 if self.burst is None else int(np.flatnonzero(self.burst)[-1]) + 1


def rates_of(model: RedemptionModel, events: Sequence[Event], periods: int) -> Rates:
    """The chances in each period."""
    return rates_of_sets([model], events, periods)[0]


def rates_of_sets(
    models: Sequence[RedemptionModel], events: Sequence[Event], periods: int, *, paths: int = _ENOUGH
) -> tuple[Rates, ...]:
    """The chances in each period by each of some models, which have as many gap buckets and share out the paths."""
    refuse_unlisted(events)
    for place, event in enumerate(events):
        if not isinstance(event, (MassReturn, RefundRun)):
            raise InvalidType(f"events[{place}] must be a MassReturn or a RefundRun, got {type(event).__name__}")
        refuse_late(event, place, periods)
    waves = [each for each in events if isinstance(each, MassReturn)]
    buckets = max([models[0].buckets] + [wave.gap + 1 for wave in waves])
    last = np.minimum(np.arange(buckets), models[0].buckets - 1)
    everything = [_with_events(model, last, events, periods) for model in models]
    kept = 1 + max(_last_that_differs(each) for each in everything)
    shared = len(models) == 1 or paths // len(models) >= _ENOUGH
    return tuple(
        replace(each, hazard=each.hazard[:, : kept + 1], refund=each.refund[:, : kept + 1], shared=shared)
        for each in everything
    )


def side_by_side(sets: Sequence[Rates]) -> Rates:
    """Several sets of probabilities along a last axis."""
    hazard, refund = (np.stack([getattr(each, name) for each in sets], axis=2) for name in ("hazard", "refund"))
    return Rates(hazard, refund, sets[0].usual, sets[0].burst)


def _with_events(model: RedemptionModel, last: IntArray, events: Sequence[Event], periods: int) -> Rates:
    hazard, refund = (np.tile(each[last], (periods, 1)) for each in (model.hazard, model.refund))
    for event in events:
        if isinstance(event, MassReturn):
            moved = hazard[event.period : event.period + event.periods, event.gap :]
            np.minimum(moved * event.uplift, 1.0, out=moved)
        else:
            refund[event.period] = 1 - (1 - refund[event.period]) * (1 - event.probability)
    usual = ((hazard == model.hazard[last]) & (refund == model.refund[last])).all(axis=1)
    return Rates(hazard, refund, usual, model.burst)


def _last_that_differs(rates: Rates) -> int:
    """The last gap bucket that differs from the very last one, -1 for none."""
    differ = (rates.hazard != rates.hazard[:, -1:]) | (rates.refund != rates.refund[:, -1:])
    return int(np.flatnonzero(differ.any(axis=0)).max(initial=-1))
