"""A score that speaks for everybody: post-stratification, people who did not answer, and a change of the mix."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, choice, finite, fraction, mapping, refuse_if, single
from retention_metrics._stats import Bounds, Interval, two_sided_z
from retention_metrics._typing import Numbers
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.nps._comparison import pool, refuse_scales, refuse_unlike
from retention_metrics.nps._score import NpsScore, total_weight

Wave: TypeAlias = Mapping[str, "NpsScore | tuple[float, float]"]


class PostStratified(BaseModel):
    """A score in which every stratum counts for its share of the population.

    Attributes:
        strata: Score of each stratum of the sample.
        population: Number of people, or share, of each stratum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strata: dict[str, NpsScore]
    population: dict[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """Share of each stratum in the population; they add up to 1."""
        total = math.fsum(self.population.values())
        return {name: size / total for name, size in self.population.items()}

    @property
    def value(self) -> float:
        """The score in points, from -100 to 100: strata by their share of the population."""
        return math.fsum(share * self.strata[name].value for name, share in self.shares.items())

    @property
    def unadjusted(self) -> NpsScore:
        """The score of the sample as it came."""
        return pool(list(self.strata.values()))

    @property
    def standard_error(self) -> float:
        r"""Standard error in points: :math:`100 \sqrt{\sum W_h^2 V_h / n_h}`."""
        return math.sqrt(
            math.fsum((share * self.strata[name].standard_error()) ** 2 for name, share in self.shares.items())
        )

    def interval(self, level: float = 0.95, *, method: Literal["mover", "wald"] = "mover") -> Interval:
        r"""Confidence interval in points.

        Args:
            level: Confidence level, between 0 and 1.
            method: ``"mover"`` joins the score intervals of the strata: the low limit lies
                :math:`\sqrt{\sum W_h^2 (m_h - l_h)^2}` below the value, the high one likewise above; right for
                small and unanimous strata. ``"wald"`` is value plus and minus z standard errors.

        Returns:
            An :class:`~retention_metrics.Interval` in points.

        References:
            Zou & Donner (2008), *Statistics in Medicine* 27, 1693-1702, for ``"mover"``.
        """
        choice(("mover", "wald"), method=method)
        if method == "wald":
            below = above = two_sided_z(level) * self.standard_error
        else:
            spans = {name: sample.interval(level) for name, sample in self.strata.items()}
            parts = [(share, self.strata[name].value, spans[name]) for name, share in self.shares.items()]
            below = math.sqrt(math.fsum((share * (value - span.low)) ** 2 for share, value, span in parts))
            above = math.sqrt(math.fsum((share * (span.high - value)) ** 2 for share, value, span in parts))
        low, high = self.value - below, self.value + above
        clipped = low < -100 or high > 100
        return Interval(low=max(low, -100), high=min(high, 100), level=level, method=method, clipped=clipped)


def post_stratify(strata: Mapping[str, NpsScore], *, population: Mapping[str, float]) -> PostStratified:
    r"""A score that the make-up of the sample cannot tilt: strata weighted by their share of the population.

    .. math:: \sum_h W_h \text{NPS}_h, \qquad W_h = N_h / \sum N_h

    Args:
        strata: Score of each stratum of the sample (new and old customers, say).
        population: How many people each stratum has in truth, or its share; > 0, the same names.

    Returns:
        A :class:`PostStratified` with value, standard error and interval.

    Raises:
        InvalidValue: The names differ: a stratum without answers has no score, and must be merged with a
            neighbour by whoever knows which; or a size is not positive.

    Examples:
        >>> from retention_metrics import nps
        >>> adjusted = nps.post_stratify(
        ...     {
        ...         "regulars": nps.from_counts(promoters=35, passives=10, detractors=5),
        ...         "visitors": nps.from_counts(promoters=15, passives=25, detractors=10),
        ...     },
        ...     population={"regulars": 100, "visitors": 900},
        ... )
        >>> adjusted.unadjusted.value, round(adjusted.value, 6), round(adjusted.standard_error, 2)
        (35.0, 15.0, 8.96)

    References:
        Holt & Smith (1979), "Post stratification", *JRSS A* 142, 33-46.
    """
    mapping(strata=strata, population=population)
    _samples("strata", strata)
    refuse_scales(list(strata.values()))
    if missing := [name for name in population if name not in strata]:
        raise InvalidValue(
            f"stratum {missing[0]!r} of the population has no answers; merge it with a neighbour, in both arguments"
        )
    if unknown := [name for name in strata if name not in population]:
        raise InvalidValue(f"population must name every stratum, and {unknown[0]!r} is missing")
    sizes = {}
    for name, size in population.items():
        spot = f"population[{name!r}]"
        sizes[str(name)] = single(at_least(0, open_low=True, **{spot: size}), spot)
    return PostStratified(strata={str(name): sample for name, sample in strata.items()}, population=sizes)


def nonresponse_bounds(value: Numbers, *, response_rate: Numbers) -> Bounds:
    r"""How low and how high the score of everybody could be, if those who did not answer were all of one mind.

    .. math:: r \cdot \text{NPS} \pm (1 - r) \cdot 100

    Args:
        value: Score of those who answered, in points, from -100 to 100.
        response_rate: Share of the people asked who answered, above 0, at most 1.

    Returns:
        :class:`~retention_metrics.Bounds` in points.

    Raises:
        InvalidValue: An argument is out of range.
        InvalidType: An argument is not a plain number.

    Examples:
        >>> nonresponse_bounds(40, response_rate=0.2)
        Bounds(low=-72.0, high=88.0)

    References:
        Manski (2003), *Partial Identification of Probability Distributions*, chapter 1.
    """
    points = finite(value=value)
    rate = fraction(open_low=True, response_rate=response_rate)
    aligned(value=points, response_rate=rate)
    refuse_if(np.abs(points) > 100, "value must be from -100 to 100 points")
    return Bounds(rate * points - (1 - rate) * 100, rate * points + (1 - rate) * 100)


class SegmentChange(BaseModel):
    """What one segment did to the change of the total: by its score, and by its share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment: str
    rate_effect: float
    mix_effect: float


class ChangeDecomposition(BaseModel):
    """The change of a score, split into what people said and who was asked.

    Attributes:
        before: Score of the first wave, in points.
        after: Score of the second wave, in points.
        segments: The effects of each segment; they add up to the change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: float
    after: float
    segments: tuple[SegmentChange, ...]

    @property
    def total(self) -> float:
        """The change in points: after - before."""
        return self.after - self.before

    @property
    def rate_effect(self) -> float:
        """Points that come from changed scores within segments."""
        return math.fsum(row.rate_effect for row in self.segments)

    @property
    def mix_effect(self) -> float:
        """Points that come from changed shares of segments."""
        return math.fsum(row.mix_effect for row in self.segments)


def decompose_change(before: Wave, after: Wave) -> ChangeDecomposition:
    r"""Split the change of a score into the change within segments and the change of their shares.

    .. math:: \Delta = \sum_h \bar W_h \, \Delta m_h + \sum_h \Delta W_h \, (\bar m_h - \bar m)

    with :math:`\bar W_h, \bar m_h` the means over both waves and :math:`\bar m` the mean of the two totals. The split
    is exact: nothing is left over. Every segment can rise while the total falls. A segment that only one wave has
    takes its one score for both, so that its coming or going is a change of the mix.

    Args:
        before: By segment: an :class:`NpsScore`, or a pair of its size (or share) and its score in points.
        after: The same for the second wave.

    Returns:
        A :class:`ChangeDecomposition`.

    Raises:
        InvalidValue: A wave is empty, a size is negative or all are 0, or a score is outside -100 to 100.

    Examples:
        >>> change = decompose_change({"X": (0.5, 60), "Y": (0.5, 20)}, {"X": (0.2, 65), "Y": (0.8, 25)})
        >>> round(change.total, 6), round(change.rate_effect, 6), round(change.mix_effect, 6)
        (-7.0, 5.0, -12.0)

    References:
        Kitagawa (1955), "Components of a difference between two rates", *JASA* 50, 1168-1194.
    """
    mapping(before=before, after=after)
    refuse_unlike([cell for wave in (before, after) for cell in wave.values() if isinstance(cell, NpsScore)])
    first, second = _wave("before", before), _wave("after", after)
    totals = [math.fsum(share * score for share, score in wave.values()) for wave in (first, second)]
    middle = sum(totals) / 2
    rows = []
    for name in [*first, *(name for name in second if name not in first)]:
        share0, score0 = first[name] if name in first else (0.0, second[name][1])
        share1, score1 = second.get(name, (0.0, score0))
        rate = (share0 + share1) / 2 * (score1 - score0)
        mix = (share1 - share0) * ((score0 + score1) / 2 - middle)
        rows.append(SegmentChange(segment=str(name), rate_effect=rate, mix_effect=mix))
    return ChangeDecomposition(before=totals[0], after=totals[1], segments=tuple(rows))


def _wave(argument: str, wave: Wave) -> dict[str, tuple[float, float]]:
    """Share and score of each segment that has a share."""
    sizes, scores = {}, {}
    for name, cell in wave.items():
        spot = f"{argument}[{name!r}]"
        pair = (total_weight(cell), cell.value) if isinstance(cell, NpsScore) else cell
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise InvalidType(f"{spot} must be an NpsScore, or a pair of size and score, got {cell!r}")
        size, score = pair
        sizes[name] = single(at_least(0, open_low=False, **{f"{spot}[0]": size}), f"{spot}[0]")
        scores[name] = single(finite(**{f"{spot}[1]": score}), f"{spot}[1]")
        if abs(scores[name]) > 100:
            raise InvalidValue(f"{spot}[1] must be a score from -100 to 100, got {score:g}")
    total = math.fsum(sizes.values())
    if total == 0:
        raise InvalidValue(f"{argument} has nobody in it")
    return {name: (size / total, scores[name]) for name, size in sizes.items() if size > 0}


def _samples(argument: str, samples: Mapping[str, NpsScore]) -> None:
    if not samples:
        raise InvalidValue(f"{argument} is empty; pass at least one score")
    for name, sample in samples.items():
        if not isinstance(sample, NpsScore):
            raise InvalidType(f"{argument}[{name!r}] must be an NpsScore, got {type(sample).__name__}")
