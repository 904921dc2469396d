"""The chances of a visit and of a refund in every period, with what happens to all customers at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.cashflow._shocks import Event, MassReturn, RefundRun, refuse_late, refuse_unlisted
from retention_metrics.errors import InvalidType
from retention_metrics.redemption import RedemptionModel


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Probabilities by period and gap bucket, without those buckets at the end that are all the same.

    Attributes:
        hazard: Probability of a visit when no refund is asked for, of shape (periods, buckets).
        refund: Probability of a refund.
        usual: Whether a period has the probabilities of the model, and no event.
        burst: Probability that a visit uses 1, 2, ... sessions; ``None`` for always one.
    """

    hazard: FloatArray
    refund: FloatArray
    usual: BoolArray
    burst: FloatArray | None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *self.__slots__)

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
    refuse_unlisted(events)
    waves = [each for each in events if isinstance(each, MassReturn)]
    buckets = max([model.buckets] + [wave.gap + 1 for wave in waves])
    last = np.minimum(np.arange(buckets), model.buckets - 1)
    hazard, refund = (np.tile(each[last], (periods, 1)) for each in (model.hazard, model.refund))
    for place, event in enumerate(events):
        if not isinstance(event, (MassReturn, RefundRun)):
            raise InvalidType(f"events[{place}] must be a MassReturn or a RefundRun, got {type(event).__name__}")
        refuse_late(event, place, periods)
        if isinstance(event, MassReturn):
            moved = hazard[event.period : event.period + event.periods, event.gap :]
            np.minimum(moved * event.uplift, 1.0, out=moved)
        else:
            refund[event.period] = 1 - (1 - refund[event.period]) * (1 - event.probability)
    usual = ((hazard == model.hazard[last]) & (refund == model.refund[last])).all(axis=1)
    differ = ((hazard != hazard[:, -1:]) | (refund != refund[:, -1:])).any(axis=0)
    kept = int(np.flatnonzero(differ).max(initial=-1)) + 2
    return Rates(hazard[:, :kept], refund[:, :kept], usual, model.burst)
