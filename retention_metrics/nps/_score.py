"""The score of a sample, and what an honest score needs: variance, standard error, intervals, exclusions."""

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, choice, divide, generator, whole
from retention_metrics._stats import Interval, two_sided_z
from retention_metrics._typing import FloatArray, Numbers, Scalar, Undefined
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.nps import _intervals
from retention_metrics.nps._answers import (
    OnInvalid,
    count_classes,
    read_answers,
    refuse_none_left,
    to_array,
)
from retention_metrics.nps._intervals import Counts, IntervalMethod
from retention_metrics.nps._scales import SCALES, ScaleName

_EXACT_BOOTSTRAP = 1_000_000
_DRAWS = 10_000

CLOSED = {
    "score": _intervals.score,
    "adjusted_wald": _intervals.adjusted_wald,
    "adjusted_wald_z2": _intervals.adjusted_wald_z2,
    "wald": _intervals.wald,
    "goodman": _intervals.goodman,
}
METHODS = (*CLOSED, "dirichlet", "bootstrap", "bca")
BLIND = {"wald", "goodman", "bootstrap", "bca"}


class Weighting(BaseModel):
    """Sums of the weights of the promoters, passives and detractors, and sums of their squares."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sums: tuple[float, float, float]
    squares: tuple[float, float, float]

    def model_post_init(self, _context: object) -> None:
        """Refuse sums that no positive weights have."""
        at_least(0, sums=self.sums)
        at_least(0, squares=self.squares)
        if not sum(self.sums) or not sum(self.squares):
            raise InvalidValue("sums and squares of weights must not all be 0")


class NpsScore(BaseModel):
    """A Net Promoter Score with the counts behind it.

    Attributes:
        promoters: Number of answers in the highest class (9 and 10 on the scale 0-10).
        passives: Number of answers in the class between (7 and 8).
        detractors: Number of answers in the lowest class (0 to 6).
        weighting: Sums of weights by class, or ``None`` when every answer counts the same.
        scale: Name of the scale on which people answered.
        excluded: Answers left out, by reason.

    Examples:
        >>> wave = from_counts(promoters=50, passives=30, detractors=20)
        >>> wave.value
        30.0
        >>> round(wave.standard_error(), 2)
        7.81
        >>> print(wave)
        NPS 30.0 (95 %: 14.0 to 44.3), n = 100: 50 promoters, 30 passives, 20 detractors
        >>> NpsScore.model_validate_json(wave.model_dump_json()) == wave
        True

    References:
        Reichheld (2003), "The one number you need to grow", *Harvard Business Review* 81(12), 46-54.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    promoters: int
    passives: int
    detractors: int
    weighting: Weighting | None = None
    scale: ScaleName = "0-10"
    excluded: dict[str, int] = {}

    def model_post_init(self, _context: object) -> None:
        """Refuse counts below zero, and a score of nobody."""
        whole(0, promoters=self.promoters)
        whole(0, passives=self.passives)
        whole(0, detractors=self.detractors)
        refuse_none_left("nps", self.n, self.excluded)

    @property
    def n(self) -> int:
        """Number of answers that count."""
        return self.promoters + self.passives + self.detractors

    @property
    def shares(self) -> tuple[float, float, float]:
        """Promoters, passives and detractors as weighted shares of the answers; they add up to 1."""
        sums = self._sums
        total = math.fsum(sums)
        return sums[0] / total, sums[1] / total, sums[2] / total

    @property
    def value(self) -> float:
        """The score in points, from -100 to 100: share of promoters minus share of detractors."""
        sums = self._sums
        return 100 * ((sums[0] - sums[2]) / math.fsum(sums))

    @property
    def variance(self) -> float:
        """Variance of one answer coded 1, 0 and -1, from 0 to 1: p + d - (p - d)^2."""
        p, _, d = self.shares
        return max(p + d - (p - d) ** 2, 0.0)

    @property
    def n_effective(self) -> float:
        """Answers of equal weight that would tell as much, by Kish: (sum w)^2 / sum w^2; ``n`` without weights."""
        if self.weighting is None:
            return float(self.n)
        return math.fsum(self.weighting.sums) ** 2 / math.fsum(self.weighting.squares)

    @property
    def design_effect(self) -> float:
        """How much the weights inflate the variance: n / n_effective, at least 1."""
        return max(self.n / self.n_effective, 1.0)

    def standard_error(self, *, population: int | None = None, method: str = "kish") -> float:
        r"""Standard error of the score, in points.

        .. math:: 100 \sqrt{\frac{p + d - (p - d)^2}{n}}

        It is 0 for a unanimous sample, which is a fact about the formula and no certainty: see
        :meth:`interval`.

        Args:
            population: Number of people who could have been asked; the variance shrinks by (N - n) / (N - 1).
            method: For weighted answers: ``"kish"`` divides the weighted variance by the effective size,
                ``"linearised"`` is :math:`100 \sqrt{\sum w^2 (s - m)^2} / \sum w`. Without weights they agree.

        Returns:
            Points, >= 0.

        Raises:
            InvalidValue: ``population`` is smaller than the sample, or the method is unknown.

        References:
            Rocks (2016), *The American Statistician* 70(4), 365-372; Kish (1965), *Survey Sampling*, for
            ``"kish"``; Särndal, Swensson & Wretman (1992), *Model Assisted Survey Sampling*, for
            ``"linearised"``.
        """
        choice(("kish", "linearised"), method=method)
        left = math.sqrt(self._left(population))
        if method == "kish" or self.weighting is None:
            return 100 * left * math.sqrt(self.variance / self.n_effective)
        mean = self.value / 100
        spread = sum(q * (s - mean) ** 2 for q, s in zip(self.weighting.squares, (1, 0, -1), strict=True))
        return 100 * left * math.sqrt(spread) / math.fsum(self.weighting.sums)

    def interval(
        self,
        level: float = 0.95,
        *,
        method: IntervalMethod = "score",
        population: int | None = None,
        clip: bool = True,
        prior: tuple[float, float, float] | None = None,
        rng: np.random.Generator | int | None = None,
    ) -> Interval:
        r"""Confidence interval of the score, in points.

        ====================== ============================================================================
        method                 the interval
        ====================== ============================================================================
        ``score``              every score that a score test does not reject; stays inside the scale, right
                               for tiny and unanimous samples
        ``adjusted_wald``      Wald after adding 3/4, 3/2 and 3/4 answers; its centre moves towards 0
        ``adjusted_wald_z2``   Wald after adding :math:`z^2/3` answers to each class
        ``wald``               value :math:`\pm z` standard errors; too short for small samples
        ``goodman``            for all contrasts of the classes at once, and so wider
        ``dirichlet``          exact quantiles of the posterior; the default prior is uniform
        ``bootstrap``          percentiles of the resampled score, exact: no random draws are needed
        ``bca``                the same, corrected for bias and skewness
        ====================== ============================================================================

        Weighted answers count for their effective number, and answers from a finite population for
        :math:`n (N - 1) / (N - n)`; of everybody, the interval is the value itself.

        Args:
            level: Confidence level, between 0 and 1.
            method: One of the table above; :func:`coverage` tells what each is worth.
            population: Number of people who could have been asked.
            clip: Move limits beyond -100 and 100 to the end of the scale, and mark the interval as clipped.
            prior: Three numbers >= 0.1 for ``"dirichlet"``: promoters, passives, detractors; ``None`` is (1, 1, 1).
            rng: Generator or seed: ``"bootstrap"`` and ``"bca"`` then draw 10,000 samples instead of computing
                the distribution of all; needed above a million answers.

        Returns:
            An :class:`~retention_metrics.Interval` in points.

        Raises:
            UndefinedMetric: A unanimous sample with a method that would take it for certainty.
            InvalidValue: Unknown method, level outside 0 to 1, population below the sample; ``prior`` or
                ``rng`` with a method that has no use for it; a bootstrap of weighted answers.

        Examples:
            >>> small = from_counts(promoters=4, passives=0, detractors=0)
            >>> round(small.interval().low, 1)
            2.0
            >>> rough = from_counts(promoters=9, passives=0, detractors=1).interval(method="wald")
            >>> round(rough.low, 1), rough.high, rough.clipped
            (42.8, 100.0, True)

        References:
            Rocks (2016), "Interval estimation for the Net Promoter Score", *The American Statistician* 70(4),
            365-372; Tango (1998), *Statistics in Medicine* 17, 891-908, for the form of ``"score"``; Goodman
            (1964), *Annals of Mathematical Statistics* 35, 716-725; Efron (1987), *JASA* 82, 171-185, for
            ``"bca"``.
        """
        choice(METHODS, method=method)
        if prior is not None and method != "dirichlet":
            raise InvalidValue(f'prior is for method="dirichlet", got method={method!r}')
        if rng is not None and method not in ("bootstrap", "bca"):
            raise InvalidValue(f'rng is for method="bootstrap" or "bca", got method={method!r}')
        left = self._left(population)
        two_sided_z(level)
        if left == 0:
            return Interval(low=self.value, high=self.value, level=level, method=method)
        if method in BLIND and self.variance == 0:
            raise UndefinedMetric(
                f"the {method} interval of an NPS",
                f"all {self.n:,} answers are of one class, and this method would take that for certainty; "
                'use method="score"',
            )
        if method in ("bootstrap", "bca"):
            low, high = self._resampled(method, level, left, rng)
        else:
            low, high = (float(limit[0]) for limit in self._limits(method, level, left, prior))
        clipped = clip and (low < -1 or high > 1)
        if clip:
            low, high = max(low, -1.0), min(high, 1.0)
        return Interval(low=100 * low, high=100 * high, level=level, method=method, clipped=clipped)

    def __str__(self) -> str:
        span = self.interval()
        weighted = "" if self.weighting is None else f", weighted to {self.n_effective:,.1f} answers"
        return (
            f"NPS {self.value:.1f} (95 %: {span.low:.1f} to {span.high:.1f}), n = {self.n:,}{weighted}: "
            f"{self.promoters:,} promoters, {self.passives:,} passives, {self.detractors:,} detractors"
        )

    @property
    def _sums(self) -> tuple[float, float, float]:
        return (self.promoters, self.passives, self.detractors) if self.weighting is None else self.weighting.sums

    def _left(self, population: int | None) -> float:
        """Share of the variance that is left when ``n`` of the population have answered."""
        if population is None:
            return 1.0
        everybody = whole(1, population=population)
        if self.n > everybody:
            raise InvalidValue(f"population must be at least n, the {self.n:,} answers given, got {everybody:,}")
        return 0.0 if everybody == self.n else (everybody - self.n) / (everybody - 1)

    def _limits(
        self, method: str, level: float, left: float, prior: tuple[float, float, float] | None
    ) -> _intervals.Limits:
        counts = Counts(*(count / left for count in effective_counts(self)))
        if method != "dirichlet":
            return CLOSED[method](counts, level)
        alphas = at_least(0.1, prior=(1.0, 1.0, 1.0) if prior is None else prior)
        if np.shape(alphas) != (3,):
            raise InvalidValue("prior must be three numbers: for promoters, passives and detractors")
        return _intervals.dirichlet(counts.plus(*np.asarray(alphas)), level)

    def _resampled(
        self, method: str, level: float, left: float, rng: np.random.Generator | int | None
    ) -> tuple[float, float]:
        if self.weighting is not None or left != 1:
            raise InvalidValue(
                f'method="{method}" draws answers of equal weight from a large population, and has none here; '
                'use method="score", which counts weighted answers by their effective number'
            )
        classes = (self.promoters, self.passives, self.detractors)
        if rng is not None:
            chances = _intervals.drawn(*classes, generator(rng), _DRAWS)
        elif self.n <= _EXACT_BOOTSTRAP:
            chances = _intervals.resampled(*classes)
        else:
            raise InvalidValue(f"rng must be given above {_EXACT_BOOTSTRAP:,} answers, got {self.n:,} of them")
        if method == "bootstrap":
            return _intervals.bootstrap(chances, level)
        return _intervals.bca(chances, effective_counts(self), level)


def effective_counts(sample: NpsScore) -> Counts:
    """Promoters, passives and detractors of as many equally weighted answers as tell the same."""
    return Counts(*(np.array([share * sample.n_effective]) for share in sample.shares))


def score_intervals(samples: Sequence[NpsScore], level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Limits of the score interval of many samples at once, in points."""
    counts = [effective_counts(sample) for sample in samples]
    low, high = _intervals.score(Counts(*(np.concatenate(part) for part in zip(*counts, strict=True))), level)
    return 100 * low, 100 * high


def total_weight(sample: NpsScore) -> float:
    """Sum of the weights of the answers; their number when every answer counts the same."""
    return float(sample.n) if sample.weighting is None else math.fsum(sample.weighting.sums)


def score(scores: Any, *, weights: Any = None, on_invalid: OnInvalid = "raise", scale: ScaleName = "0-10") -> NpsScore:
    r"""Net Promoter Score of answers: the share of promoters minus the share of detractors, in points.

    .. math:: \text{NPS} = 100 \frac{\sum w_i s_i}{\sum w_i}, \qquad s_i = 1, 0, -1

    for promoters, passives and detractors. Passives count in the denominator; a missing answer does not.

    ========= ========== ======== ==========
    scale     detractors passives promoters
    ========= ========== ======== ==========
    ``0-10``  0 to 6     7, 8     9, 10
    ``1-10``  1 to 6     7, 8     9, 10
    ``1-7``   1 to 4     5        6, 7
    ``1-5``   1 to 3     4        5
    ========= ========== ======== ==========

    Only the first is Reichheld's. The others are in use and are not comparable with it, so they must be asked for by
    name; a scale is never guessed from the answers.

    Args:
        scores: Answers, one-dimensional: a list, an array or a column, of whole numbers on the scale.
        weights: One positive number an answer, or ``None``. Only their ratios matter.
        on_invalid: ``"raise"`` refuses an answer that is missing, fractional, off the scale or no number;
            ``"exclude"`` leaves such answers out and counts them by reason.
        scale: ``"0-10"``, ``"1-10"``, ``"1-7"`` or ``"1-5"``.

    Returns:
        An :class:`NpsScore`.

    Raises:
        UndefinedMetric: There is no answer that can be used.
        InvalidValue: An answer cannot be used, or the weights do not go with the answers; the message names
            the first position and counts all by reason.
        InvalidType: An answer is a string or a boolean.

    Examples:
        >>> score([10, 9, 8, 7, 3]).value
        20.0
        >>> score([10, None, 6.5, 0], on_invalid="exclude").excluded
        {'missing': 1, 'fractional': 1}
        >>> score([9, 0, 7, 10], weights=[2, 1, 1, 1]).value
        40.0

    References:
        Reichheld (2003), "The one number you need to grow", *Harvard Business Review* 81(12), 46-54.
    """
    choice(SCALES, scale=scale)
    choice(("raise", "exclude"), on_invalid=on_invalid)
    rule = SCALES[scale]
    array = to_array("scores", scores)
    if weights is None and array.dtype.kind in "iu" and array.dtype.isnative:
        counts = count_classes(array, rule)
        if counts is not None:
            detractors, passives, promoters = counts
            refuse_none_left("nps", array.size, {})
            return NpsScore(promoters=promoters, passives=passives, detractors=detractors, scale=scale)
    weighed = None if weights is None else to_array("weights", weights, array.size)
    values, usable, excluded = read_answers(
        "scores", array, low=rule.low, high=rule.high, on_invalid=on_invalid, weights=weighed
    )
    refuse_none_left("nps", int(np.count_nonzero(usable)), excluded)
    classes = np.digitize(values[usable], (rule.passive, rule.promoter))
    detractors, passives, promoters = np.bincount(classes, minlength=3).tolist()
    weighting = None if weighed is None else _weighting(classes, weighed[usable].astype(np.float64))
    return NpsScore(
        promoters=promoters,
        passives=passives,
        detractors=detractors,
        weighting=weighting,
        scale=scale,
        excluded=excluded,
    )


def from_counts(*, promoters: int, passives: int, detractors: int, scale: ScaleName = "0-10") -> NpsScore:
    """Net Promoter Score of a sample that has been counted already.

    Args:
        promoters: Number of promoters, a whole number >= 0.
        passives: Number of passives, a whole number >= 0.
        detractors: Number of detractors, a whole number >= 0.
        scale: Name of the scale on which people answered, as for :func:`score`.

    Returns:
        An :class:`NpsScore`.

    Raises:
        UndefinedMetric: All three are 0.
        InvalidValue: A count is negative or not whole.
        InvalidType: A count is not a number.

    Examples:
        >>> from_counts(promoters=120, passives=120, detractors=60).value
        20.0

    References:
        Reichheld (2003), "The one number you need to grow", *Harvard Business Review* 81(12), 46-54.
    """
    choice(SCALES, scale=scale)
    counts = (whole(0, promoters=promoters), whole(0, passives=passives), whole(0, detractors=detractors))
    refuse_none_left("nps", sum(counts), {})
    return NpsScore(promoters=counts[0], passives=counts[1], detractors=counts[2], scale=scale)


@overload
def net_promoter_score(
    *, promoters: Scalar, passives: Scalar, detractors: Scalar, undefined: Undefined = "raise"
) -> float: ...
@overload
def net_promoter_score(
    *, promoters: Numbers, passives: Numbers, detractors: Numbers, undefined: Undefined = "raise"
) -> FloatArray: ...
def net_promoter_score(
    *, promoters: Numbers, passives: Numbers, detractors: Numbers, undefined: Undefined = "raise"
) -> float | FloatArray:
    r"""Net Promoter Score in points, from counts or shares; arrays hold one element a segment or period.

    .. math:: 100 \frac{\text{promoters} - \text{detractors}}{\text{promoters} + \text{passives} + \text{detractors}}

    Args:
        promoters: Promoters, >= 0: a number, or one per segment; counts, weights or shares.
        passives: Passives, >= 0, in the same unit.
        detractors: Detractors, >= 0, in the same unit.
        undefined: ``"nan"`` gives NaN where an array has nobody, instead of an error.

    Returns:
        Points from -100 to 100: a float for three numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: Nobody answered.
        InvalidValue: A number is negative or not finite.
        InvalidType: A value is not a plain number.

    Examples:
        >>> net_promoter_score(promoters=50, passives=30, detractors=20)
        30.0
        >>> net_promoter_score(promoters=[5, 1], passives=[3, 2], detractors=[2, 2])
        array([ 30., -20.])

    References:
        Reichheld (2003), "The one number you need to grow", *Harvard Business Review* 81(12), 46-54.
    """
    p = at_least(0, promoters=promoters)
    q = at_least(0, passives=passives)
    d = at_least(0, detractors=detractors)
    aligned(promoters=p, passives=q, detractors=d)
    return 100 * divide(p - d, p + q + d, metric="nps", reason="there are no answers", undefined=undefined)


def _weighting(classes: Any, weights: FloatArray) -> Weighting:
    with np.errstate(over="ignore", under="ignore"):
        sums = np.bincount(classes, weights=weights, minlength=3)[::-1]
        squares = np.bincount(classes, weights=weights**2, minlength=3)[::-1]
    if not 0 < squares.sum() < math.inf:
        raise InvalidValue("weights are too large or too small to be squared; divide them by their mean")
    return Weighting(sums=tuple(sums.tolist()), squares=tuple(squares.tolist()))
