"""The cousins of the score: satisfaction, effort and the satisfaction index, as honest as it is."""

import math
from typing import Any, Literal, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, choice, refuse_if, whole
from retention_metrics._stats import Interval, Rate, two_sided_z
from retention_metrics._typing import FloatArray, Numbers, Scalar
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.nps._answers import OnInvalid, read_answers, refuse_none_left, to_array

RatingScale = Literal["1-5", "1-7", "1-10", "0-10"]
Direction = Literal["high_is_easy", "high_is_hard"]

_RATINGS = {"1-5": (1, 5), "1-7": (1, 7), "1-10": (1, 10), "0-10": (0, 10)}


class Ratings(BaseModel):
    """Ratings counted, and the share of the good ones.

    Attributes:
        counts: Ratings of each kind, the lowest of the scale first.
        scale: Name of the scale.
        boxes: How many ratings at the good end count as good.
        good_end: ``"high"`` or ``"low"``.
        excluded: Ratings left out, by reason.

    Examples:
        >>> ratings = Ratings(counts=(4, 6, 20, 30, 40), scale="1-5", boxes=2)
        >>> ratings.value, ratings.mean
        (0.7, 3.96)
        >>> span = ratings.interval()
        >>> round(span.low, 3), round(span.high, 3)
        (0.604, 0.781)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: tuple[int, ...]
    scale: RatingScale
    boxes: int
    good_end: Literal["high", "low"] = "high"
    excluded: dict[str, int] = {}

    def model_post_init(self, _context: object) -> None:
        """Refuse counts that do not fit the scale, and a share of nobody."""
        low, high = _RATINGS[self.scale]
        points = high - low + 1
        if len(self.counts) != points or min(self.counts) < 0:
            raise InvalidValue(f"counts must be {points} numbers >= 0, one a rating from {low} to {high}")
        if not 1 <= self.boxes < points:
            raise InvalidValue(f"boxes must be from 1 to {points - 1}, got {self.boxes}")
        refuse_none_left("the share of good ratings", self.n, self.excluded)

    @property
    def n(self) -> int:
        """Number of ratings that count."""
        return sum(self.counts)

    @property
    def rate(self) -> Rate:
        """The share of good ratings with its numerator and denominator."""
        good = self.counts[-self.boxes :] if self.good_end == "high" else self.counts[: self.boxes]
        low, high = _RATINGS[self.scale]
        first, last = (high - self.boxes + 1, high) if self.good_end == "high" else (low, low + self.boxes - 1)
        return Rate(definition=f"ratings {first} to {last} / all ratings", numerator=sum(good), denominator=self.n)

    @property
    def value(self) -> float:
        """The share of good ratings, from 0 to 1."""
        return self.rate.value

    def interval(self, level: float = 0.95) -> Interval:
        """Wilson interval of the share of good ratings.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` of fractions.

        References:
            Wilson (1927), *JASA* 22, 209-212.
        """
        return self.rate.interval(level)

    @property
    def mean(self) -> float:
        """Mean rating, in points of the scale."""
        return float(np.dot(self.counts, self._points) / self.n)

    def mean_interval(self, level: float = 0.95) -> Interval:
        r"""Confidence interval of the mean rating: mean plus and minus z standard errors, within the scale.

        .. math:: \bar x \pm z \sqrt{\frac{\sum (x - \bar x)^2}{n (n - 1)}}

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` in points of the scale.

        Raises:
            UndefinedMetric: All ratings are the same, or there is only one; :meth:`interval` still has an answer.

        References:
            The large-sample interval of a mean; Cochran (1977), *Sampling Techniques*, 3rd ed., chapter 2.
        """
        spread = float(np.dot(self.counts, (self._points - self.mean) ** 2))
        if spread == 0:
            raise UndefinedMetric(
                "the interval of a mean rating",
                f"all {self.n:,} ratings are the same, which is no certainty; use .interval(), that of the share",
            )
        half = two_sided_z(level) * math.sqrt(spread / (self.n * (self.n - 1)))
        ends = _RATINGS[self.scale]
        low, high = self.mean - half, self.mean + half
        clipped = low < ends[0] or high > ends[1]
        return Interval(low=max(low, ends[0]), high=min(high, ends[1]), level=level, method="wald", clipped=clipped)

    @property
    def _points(self) -> FloatArray:
        low, high = _RATINGS[self.scale]
        return np.arange(low, high + 1, dtype=np.float64)


def top_box(ratings: Any, *, boxes: int = 2, scale: RatingScale = "1-5", on_invalid: OnInvalid = "raise") -> Ratings:
    r"""Customer satisfaction (CSAT): the share of ratings in the best boxes of the scale.

    .. math:: \text{CSAT} = \frac{\text{ratings in the best boxes}}{\text{all ratings}}

    The top two of five is the usual form; others take the top one, or the mean.

    Args:
        ratings: Whole numbers on the scale, one-dimensional.
        boxes: How many of the highest ratings count as satisfied.
        scale: ``"1-5"``, ``"1-7"``, ``"1-10"`` or ``"0-10"``; never guessed.
        on_invalid: ``"exclude"`` leaves out ratings that cannot be used, and counts them by reason.

    Returns:
        A :class:`Ratings`: share with Wilson interval, and mean.

    Raises:
        UndefinedMetric: There is no rating that can be used.
        InvalidValue: A rating cannot be used, or ``boxes`` does not fit the scale.
        InvalidType: A rating is a string or a boolean.

    Examples:
        >>> top_box([5, 4, 4, 3, 1]).value
        0.6
        >>> top_box([5, 4, 4, 3, 1], boxes=1).value
        0.2

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 2.
    """
    return _counted(ratings, boxes=boxes, scale=scale, good_end="high", on_invalid=on_invalid)


def effort(
    ratings: Any,
    *,
    direction: Direction,
    boxes: int | None = None,
    scale: RatingScale = "1-7",
    on_invalid: OnInvalid = "raise",
) -> Ratings:
    """Customer effort score (CES): how easy people found it to get their business done.

    The question has been asked both ways round. Version 2.0 asks for agreement with "made it easy" on 1 to 7: a high
    rating is easy, and 5 to 7 is the good end. The first version asked for the effort on 1 to 5: a high rating is
    hard. So the direction has no default.

    Args:
        ratings: Whole numbers on the scale, one-dimensional.
        direction: ``"high_is_easy"`` or ``"high_is_hard"``.
        boxes: How many ratings at the easy end count as easy; ``None`` takes 3 of 7 and 2 of 5, and must be said
            for other scales.
        scale: ``"1-7"``, ``"1-5"``, ``"1-10"`` or ``"0-10"``; never guessed.
        on_invalid: ``"exclude"`` leaves out ratings that cannot be used, and counts them by reason.

    Returns:
        A :class:`Ratings`: ``mean`` is the score in its usual form, on the scale as asked; ``value`` the share
        that found it easy, with Wilson interval.

    Raises:
        UndefinedMetric: There is no rating that can be used.
        InvalidValue: A rating cannot be used, an unknown direction, or ``boxes`` that do not fit the scale.
        InvalidType: A rating is a string or a boolean.

    Examples:
        >>> made_easy = effort([7, 6, 5, 3], direction="high_is_easy")
        >>> made_easy.mean, made_easy.value
        (5.25, 0.75)
        >>> effort([1, 2, 5], direction="high_is_hard", scale="1-5").rate.numerator
        2

    References:
        Dixon, Freeman & Toman (2010), "Stop trying to delight your customers", *Harvard Business Review* 88(7/8).
    """
    choice(("high_is_easy", "high_is_hard"), direction=direction)
    choice(_RATINGS, scale=scale)
    usual = {"1-7": 3, "1-5": 2}
    if boxes is None and scale not in usual:
        raise InvalidValue(f"boxes must be given on the scale {scale}: how many ratings at the easy end count as easy")
    return _counted(
        ratings,
        boxes=usual[scale] if boxes is None else boxes,
        scale=scale,
        good_end="high" if direction == "high_is_easy" else "low",
        on_invalid=on_invalid,
    )


@overload
def satisfaction_index(
    *,
    satisfaction: Scalar,
    expectations: Scalar,
    performance: Scalar,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> float: ...
@overload
def satisfaction_index(
    *,
    satisfaction: Numbers,
    expectations: Numbers,
    performance: Numbers,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> FloatArray: ...
def satisfaction_index(
    *,
    satisfaction: Numbers,
    expectations: Numbers,
    performance: Numbers,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> float | FloatArray:
    r"""Customer satisfaction index in the form of the ACSI: three questions on 1 to 10, as one number from 0 to 100.

    .. math:: \frac{w \cdot x - 1}{9} \cdot 100, \qquad \sum w = 1

    Args:
        satisfaction: Overall satisfaction, from 1 to 10: a rating or a mean, or one per respondent or period.
        expectations: How far expectations were met, from 1 to 10.
        performance: Nearness to the ideal, from 1 to 10.
        weights: Weights of the three, >= 0; only their ratios matter. Published weights vary by survey.

    Returns:
        Points from 0 to 100: a float for three numbers, otherwise an array of the broadcast shape.

    Raises:
        InvalidValue: A rating is outside 1 to 10, or the weights are no three numbers with a positive sum.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(satisfaction_index(satisfaction=8, expectations=7, performance=7), 4)
        70.3704

    References:
        Fornell et al. (1996), "The American Customer Satisfaction Index", *Journal of Marketing* 60(4), 7-18.
    """
    parts = {
        "satisfaction": at_least(1, satisfaction=satisfaction),
        "expectations": at_least(1, expectations=expectations),
        "performance": at_least(1, performance=performance),
    }
    aligned(**parts)
    for name, part in parts.items():
        refuse_if(np.greater(part, 10), f"{name} must be from 1 to 10")
    shares = np.asarray(at_least(0, weights=weights))
    if shares.shape != (3,) or shares.max() == 0:
        raise InvalidValue("weights must be three numbers >= 0 that are not all 0")
    shares = shares / shares.max()
    shares = shares / shares.sum()
    weighted = sum((float(share) * part for share, part in zip(shares, parts.values(), strict=True)), start=0.0)
    return (weighted - 1) / 9 * 100


def _counted(
    ratings: Any, *, boxes: int, scale: RatingScale, good_end: Literal["high", "low"], on_invalid: OnInvalid
) -> Ratings:
    choice(_RATINGS, scale=scale)
    low, high = _RATINGS[scale]
    read = read_answers("ratings", to_array("ratings", ratings), low=low, high=high, on_invalid=on_invalid)
    points = high - low + 1
    if whole(1, boxes=boxes) >= points:
        raise InvalidValue(f"boxes must be from 1 to {points - 1} on the scale {scale}, got {boxes}")
    refuse_none_left("the share of good ratings", int(np.count_nonzero(read.usable)), read.excluded)
    counts = np.bincount((read.values[read.usable] - low).astype(np.int64), minlength=points)
    return Ratings(
        counts=tuple(counts.tolist()),
        scale=scale,
        boxes=boxes,
        good_end=good_end,
        excluded=read.excluded,
    )
