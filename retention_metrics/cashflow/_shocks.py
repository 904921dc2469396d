"""What moves all customers at once: a season of the whole town, a wave of returns, a run on refunds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from retention_metrics._checks import at_least, fraction, generator, single, whole
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidType, InvalidValue

_MOST_SD = 20
_MOST_GAP = 10_000


@dataclass(frozen=True, slots=True)
class CommonShock:
    r"""A mood that all customers of a path share: it multiplies the hazard of a visit, and lasts.

    .. math::
        x_t = \phi x_{t-1} + \sigma \varepsilon_t, \qquad
        h_{g,t} = \min\left(1, h_g \, e^{x_t - s^2/2}\right), \qquad s^2 = \frac{\sigma^2}{1 - \phi^2}

    It starts from its stationary distribution, so that every period is as uncertain as any other. The factor has mean
    1: on average over paths the hazards stay what they are, but for those that reach 1. The expected number of visits
    is nearly, not exactly, kept: who comes early in a good spell cannot come again. Refunds are not moved.

    Attributes:
        sigma: Standard deviation of the news of one period, on the log hazard, >= 0.
        phi: What is left of the mood a period later, from 0 to below 1.

    Raises:
        InvalidValue: A number is out of range.

    Examples:
        >>> round(CommonShock(0.2, 0.7).sd, 2)
        0.28

    References:
        Box & Jenkins (1970), *Time Series Analysis*, chapter 3, for the process; McNeil, Frey & Embrechts (2015),
        *Quantitative Risk Management*, chapter 11, for mixture models with a common factor.
    """

    sigma: float
    phi: float = 0.0

    def __post_init__(self) -> None:
        """Check both."""
        object.__setattr__(self, "sigma", single(at_least(0, sigma=self.sigma), "sigma"))
        object.__setattr__(self, "phi", single(fraction(open_high=True, phi=self.phi), "phi"))
        if self.sigma > _MOST_SD * math.sqrt(1 - self.phi**2):
            raise InvalidValue(
                f"sigma={self.sigma:g} with phi={self.phi:g} is too large: the log hazard may have a standard "
                f"deviation of at most {_MOST_SD}"
            )

    @property
    def sd(self) -> float:
        r"""Standard deviation of the log hazard in any period.

        .. math:: s = \sigma / \sqrt{1 - \phi^2}
        """
        return self.sigma / math.sqrt(1 - self.phi**2)

    def draw(self, *, periods: int, paths: int, rng: np.random.Generator | int) -> FloatArray:
        """The factors on the hazard, of shape ``(periods, paths)``; their mean is 1."""
        x = generator(rng).standard_normal((whole(1, periods=periods), whole(1, paths=paths)))
        x[0] *= self.sd
        for before, now in pairwise(x):
            now *= self.sigma
            now += self.phi * before
        x -= self.sd**2 / 2
        return np.exp(x, out=x)


@dataclass(frozen=True, slots=True)
class MassReturn:
    r"""Customers come back in a wave: the hazard of a visit is multiplied for some periods.

    .. math:: h_{g,t} \leftarrow \min(1, \text{uplift} \cdot h_g), \qquad g \ge \text{gap}

    Attributes:
        period: The first period of the wave, counted from 0.
        uplift: What the hazard is multiplied by, >= 0; below 1 customers stay away.
        periods: How many periods it lasts, >= 1.
        gap: Only customers who have been silent for at least so many periods are moved, >= 0.

    Raises:
        InvalidValue: A number is out of range.

    References:
        Cox (1972), "Regression models and life tables", *JRSS B* 34, 187-220, on proportional hazards.
    """

    period: int
    uplift: float
    periods: int = 1
    gap: int = 0

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "period", whole(0, period=self.period))
        object.__setattr__(self, "uplift", single(at_least(0, uplift=self.uplift), "uplift"))
        object.__setattr__(self, "periods", whole(1, periods=self.periods))
        object.__setattr__(self, "gap", whole(0, gap=self.gap))
        if self.gap > _MOST_GAP:
            raise InvalidValue(f"gap must be at most {_MOST_GAP:,} silent periods, got {self.gap:.3g}")


@dataclass(frozen=True, slots=True)
class RefundRun:
    r"""A rumour: in one period every customer who holds a package asks for the money back with some probability.

    .. math:: q_{g,t} = 1 - (1 - q_g)(1 - \text{probability})

    Attributes:
        period: The period, counted from 0.
        probability: The probability of asking because of the rumour, from 0 to 1.

    Raises:
        InvalidValue: A number is out of range.

    References:
        Diamond & Dybvig (1983), "Bank runs, deposit insurance, and liquidity", *Journal of Political Economy* 91(3).
    """

    period: int
    probability: float

    def __post_init__(self) -> None:
        """Check both."""
        object.__setattr__(self, "period", whole(0, period=self.period))
        object.__setattr__(self, "probability", single(fraction(probability=self.probability), "probability"))


Event = MassReturn | RefundRun


def refuse_unlisted(events: object) -> None:
    """Refuse what is no list of events, such as a single one."""
    if not isinstance(events, Sequence) or isinstance(events, str):
        raise InvalidType(f"events must be a list of MassReturn and RefundRun, got {type(events).__name__}")


def refuse_late(event: Event, place: int, periods: int) -> None:
    """Refuse an event after the last period."""
    if event.period >= periods:
        raise InvalidValue(f"events[{place}] is in period {event.period}, after the last one, {periods - 1}")
