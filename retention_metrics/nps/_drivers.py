"""What goes with a high score: ratings of single aspects."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice, finite, mapping, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.nps._answers import OnInvalid, read_answers, read_ratings, to_array
from retention_metrics.nps._comparison import NpsComparison, compare
from retention_metrics.nps._scales import SCALES, Scale, ScaleName
from retention_metrics.nps._score import NpsScore, from_counts

_MOST_DRIVERS = 14


class Driver(BaseModel):
    """One aspect that people rated.

    Attributes:
        name: Name of the aspect.
        correlation: Pearson correlation of its rating with the answer, from -1 to 1.
        share: Its part of R squared; the parts of all drivers add up to R squared.
        gap: Score of those who gave the aspect a top rating minus score of the others, or ``None``.
        reason: Why there is no gap.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    correlation: float
    share: float
    gap: NpsComparison | None
    reason: str | None


class DriverAnalysis(Result, BaseModel):
    """How far the ratings of single aspects go with the answer, largest share first.

    Attributes:
        drivers: One row an aspect.
        r_squared: Share of the variance of the answer that the ratings explain together.
        n: People who gave the answer and all ratings.
        excluded: People left out, by reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    drivers: tuple[Driver, ...]
    r_squared: float
    n: int
    excluded: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a driver."""
        return {
            "driver": [row.name for row in self.drivers],
            "correlation": [row.correlation for row in self.drivers],
            "share_of_r_squared": [row.share for row in self.drivers],
            "gap": [row.gap.observed if row.gap else None for row in self.drivers],
            "gap_low": [row.gap.interval().low if row.gap else None for row in self.drivers],
            "gap_high": [row.gap.interval().high if row.gap else None for row in self.drivers],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a driver, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def drivers(
    scores: Any,
    ratings: Mapping[str, Any],
    *,
    top: float,
    on_invalid: OnInvalid = "raise",
    scale: ScaleName = "0-10",
) -> DriverAnalysis:
    r"""Which rated aspects go with a high answer: their shares of R squared, and the gap in the score.

    .. math:: \phi_j = \frac{1}{k} \sum_{S \not\ni j} \binom{k-1}{|S|}^{-1} \left( R^2_{S \cup j} - R^2_S \right)

    The share of a driver is what it adds to R squared, averaged over all orders in which the drivers could enter a
    linear regression of the 0-10 answer (LMG, the Shapley value of R squared). Shares are never negative and add up to
    R squared. They describe; they do not prove that raising a rating raises the score, and drivers that say the same
    thing split what they share. People who left out any rating are left out of all (listwise).

    Args:
        scores: Answers to the recommendation question, one-dimensional.
        ratings: Ratings by aspect, each one a person in the order of ``scores``; up to 14 aspects.
        top: A rating at or above this is a top rating; the gap compares those who gave one with the others.
        on_invalid: ``"exclude"`` leaves out people with an answer that cannot be used or a rating that is missing,
            and counts them.
        scale: Name of the scale of the answers, as for :func:`score`.

    Returns:
        A :class:`DriverAnalysis`.

    Raises:
        UndefinedMetric: An answer or a rating that is the same for everybody explains nothing; or fewer people
            than aspects + 2.
        InvalidValue: Ratings of another length, not finite numbers, or too many aspects.
        InvalidType: A rating is no number.

    Examples:
        >>> found = drivers(
        ...     [10, 9, 9, 7, 6, 3, 8, 10],
        ...     {"service": [5, 5, 4, 3, 3, 1, 4, 5], "price": [3, 4, 2, 4, 3, 2, 3, 5]},
        ...     top=4,
        ... )
        >>> [(row.name, round(row.share, 2)) for row in found.drivers], round(found.r_squared, 2)
        ([('service', 0.83), ('price', 0.12)], 0.95)

    References:
        Lindeman, Merenda & Gold (1980), *Introduction to Bivariate and Multivariate Analysis*; Grömping (2007),
        *The American Statistician* 61(2), 139-147.
    """
    choice(SCALES, scale=scale)
    edge = single(finite(top=top), "top")
    mapping(ratings=ratings)
    if not 1 <= len(ratings) <= _MOST_DRIVERS:
        raise InvalidValue(
            f"ratings must be of 1 to {_MOST_DRIVERS} aspects, got {len(ratings)}: "
            "every set of them is looked at, so join or drop some"
        )
    rule = SCALES[scale]
    array = to_array("scores", scores)
    answers = read_answers("scores", array, low=rule.low, high=rule.high, on_invalid=on_invalid)
    excluded = dict(answers.excluded)
    kept = answers.usable.copy()
    columns = []
    for name, rating in ratings.items():
        column, known = read_ratings(f"ratings[{name!r}]", rating, size=array.size, on_invalid=on_invalid)
        lost = int(np.count_nonzero(kept & ~known))
        excluded |= {f"{name} missing": lost} if lost else {}
        kept &= known
        columns.append(column)
    n = int(np.count_nonzero(kept))
    if n < len(columns) + 2:
        raise UndefinedMetric(
            "drivers", f"{n} people gave all ratings, and {len(columns)} ratings need {len(columns) + 2}"
        )
    table = np.stack([answers.values, *columns])[:, kept]
    for name, row in zip(["scores", *ratings], table, strict=True):
        if row.min() == row.max():
            raise UndefinedMetric("drivers", f"{name} is the same for everybody, so it explains nothing")
    correlations = np.corrcoef(table)
    shares = _shapley(correlations)
    rows = [
        _driver(name, column[kept] >= edge, table[0], rule, float(correlations[0, i + 1]), float(shares[i]))
        for i, (name, column) in enumerate(zip(ratings, columns, strict=True))
    ]
    rows.sort(key=lambda row: -row.share)
    return DriverAnalysis(drivers=tuple(rows), r_squared=float(shares.sum()), n=n, excluded=excluded)


def _shapley(correlations: FloatArray) -> FloatArray:
    """LMG shares of R squared from the correlations of answer (first) and drivers."""
    k = correlations.shape[0] - 1
    with_answer, among = correlations[0, 1:], correlations[1:, 1:]
    r_squared = {0: 0.0}
    for size in range(1, k + 1):
        sets = np.array(list(combinations(range(k), size)))
        inner = among[sets[:, :, None], sets[:, None, :]]
        outer = with_answer[sets]
        # The pseudo-inverse has an answer for drivers that repeat each other as well.
        explained = np.einsum("si,sij,sj->s", outer, np.linalg.pinv(inner, hermitian=True), outer)
        r_squared |= dict(zip((1 << sets).sum(axis=1).tolist(), explained.tolist(), strict=True))
    shares = np.zeros(k)
    for members, explained in r_squared.items():
        size = members.bit_count()
        for j in range(k):
            if not members >> j & 1:
                shares[j] += (r_squared[members | 1 << j] - explained) / (k * math.comb(k - 1, size))
    return shares


def _driver(name: str, high: BoolArray, answers: FloatArray, scale: Scale, correlation: float, share: float) -> Driver:
    mixed = high.any() and not high.all()
    gap = compare(_score_of(answers[high], scale), _score_of(answers[~high], scale)) if mixed else None
    reason = None if mixed else f"{'everybody' if high.all() else 'nobody'} gave a top rating"
    return Driver(name=str(name), correlation=correlation, share=share, gap=gap, reason=reason)


def _score_of(answers: FloatArray, scale: Scale) -> NpsScore:
    detractors, passives, promoters = np.bincount(
        np.digitize(answers, (scale.passive, scale.promoter)), minlength=3
    ).tolist()
    return from_counts(promoters=promoters, passives=passives, detractors=detractors)
