"""What goes with a high score: ratings of single aspects, and the reasons people give."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice, finite, mapping, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._stats import Rate
from retention_metrics._typing import BoolArray, FloatArray
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.nps._answers import OnInvalid, is_missing, read_answers, read_ratings, refuse_none_left, to_array
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


class DriverAnalysis(BaseModel):
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


class Reason(BaseModel):
    """One reason that people gave, and who gave it.

    Attributes:
        code: The reason.
        promoters: Promoters who gave it.
        passives: Passives who gave it.
        detractors: Detractors who gave it.
        among_promoters: Its share among promoters who gave any reason, or ``None`` when there are none.
        among_detractors: Its share among detractors who gave any reason, or ``None``.
        cumulative: Share of the mentions that this reason and those before it have, in the order of the table.
        scale: Name of the scale on which people answered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    promoters: int
    passives: int
    detractors: int
    among_promoters: Rate | None
    among_detractors: Rate | None
    cumulative: float
    scale: ScaleName = "0-10"

    @property
    def mentions(self) -> int:
        """People who gave this reason."""
        return self.promoters + self.passives + self.detractors

    @property
    def score(self) -> NpsScore:
        """The score among those who gave it; read its interval before you act on it."""
        return from_counts(
            promoters=self.promoters, passives=self.passives, detractors=self.detractors, scale=self.scale
        )


class ReasonTable(BaseModel):
    """The reasons that people gave, most frequent first.

    Attributes:
        reasons: One row a reason.
        order: The class by whose mentions the rows are ordered.
        with_reason: People whose answer can be used and who gave a reason.
        without_reason: People whose answer can be used and who gave none.
        excluded: Answers left out, by reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reasons: tuple[Reason, ...]
    order: Literal["detractors", "promoters", "all"]
    with_reason: int
    without_reason: int
    excluded: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a reason; intervals are at 95 %."""
        rows = self.reasons
        table: dict[str, Any] = {
            "reason": [row.code for row in rows],
            "mentions": [row.mentions for row in rows],
            "promoters": [row.promoters for row in rows],
            "passives": [row.passives for row in rows],
            "detractors": [row.detractors for row in rows],
            "cumulative": [row.cumulative for row in rows],
        }
        for side in ("among_promoters", "among_detractors"):
            rates: list[Rate | None] = [getattr(row, side) for row in rows]
            table[side] = [rate.value if rate else None for rate in rates]
            table[f"{side}_low"] = [rate.interval().low if rate else None for rate in rates]
            table[f"{side}_high"] = [rate.interval().high if rate else None for rate in rates]
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a reason, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def reasons(
    scores: Any,
    codes: Sequence[str | Sequence[str] | None],
    *,
    order: Literal["detractors", "promoters", "all"] = "detractors",
    on_invalid: OnInvalid = "raise",
    scale: ScaleName = "0-10",
) -> ReasonTable:
    """Which reasons go with promoters and which with detractors, most frequent first.

    The free text must have been coded: one code a person, or several, or none. A person who gave a code twice counts
    once. Shares refer to the people of a class who gave any reason, so with several codes a person they add up to
    more than 1.

    Args:
        scores: Answers to the recommendation question, one-dimensional.
        codes: For each answer a code, a list of codes, or ``None`` (also ``""`` and NaN) for no reason.
        order: Whose mentions order the rows: ``"detractors"`` (what to mend first), ``"promoters"`` or ``"all"``.
        on_invalid: ``"exclude"`` leaves out answers that cannot be used, and counts them by reason.
        scale: Name of the scale of the answers, as for :func:`score`.

    Returns:
        A :class:`ReasonTable` with Wilson intervals of the shares.

    Raises:
        UndefinedMetric: There is no answer that can be used.
        InvalidValue: ``codes`` and ``scores`` differ in length, or an answer cannot be used.
        InvalidType: A code is not a string.

    Examples:
        >>> table = reasons([3, 6, 9, 10, 2], ["wait", ["wait", "price"], "staff", None, "wait"])
        >>> [(row.code, row.detractors, round(row.cumulative, 2)) for row in table.reasons]
        [('wait', 3, 0.75), ('price', 1, 1.0), ('staff', 0, 1.0)]

    References:
        Juran (1951), *Quality Control Handbook*, for the Pareto order; Wilson (1927), *JASA* 22, 209-212.
    """
    choice(SCALES, scale=scale)
    choice(("detractors", "promoters", "all"), order=order)
    rule = SCALES[scale]
    array = to_array("scores", scores)
    if isinstance(codes, str) or not hasattr(codes, "__len__") or not hasattr(codes, "__iter__"):
        raise InvalidType(f"codes must be a sequence with one entry an answer, got {type(codes).__name__}")
    given = list(codes)
    if len(given) != array.size:
        raise InvalidValue(f"codes must be one an answer, got {len(given):,} for {array.size:,} answers")
    answers = read_answers("scores", array, low=rule.low, high=rule.high, on_invalid=on_invalid)
    refuse_none_left("reasons", int(np.count_nonzero(answers.usable)), answers.excluded)
    classes = np.digitize(answers.values, (rule.passive, rule.promoter)).tolist()
    found: dict[str, list[int]] = {}
    told = [0, 0, 0]
    for i in np.flatnonzero(answers.usable).tolist():
        mentioned = _codes(i, given[i])
        told[classes[i]] += bool(mentioned)
        for code in mentioned:
            found.setdefault(code, [0, 0, 0])[classes[i]] += 1

    def mentions(counts: list[int]) -> int:
        return {"detractors": counts[0], "promoters": counts[2], "all": sum(counts)}[order]

    ranked = sorted(found.items(), key=lambda item: (-mentions(item[1]), -sum(item[1]), item[0]))
    total = sum(map(mentions, found.values()))
    running = np.cumsum([mentions(counts) for _, counts in ranked]) / total if total else np.zeros(len(ranked))
    rows = [
        Reason(
            code=code,
            promoters=promoters,
            passives=passives,
            detractors=detractors,
            among_promoters=_share(f"promoters who say {code}", promoters, told[2]),
            among_detractors=_share(f"detractors who say {code}", detractors, told[0]),
            cumulative=float(so_far),
            scale=scale,
        )
        for (code, (detractors, passives, promoters)), so_far in zip(ranked, running, strict=True)
    ]
    return ReasonTable(
        reasons=tuple(rows),
        order=order,
        with_reason=sum(told),
        without_reason=int(np.count_nonzero(answers.usable)) - sum(told),
        excluded=answers.excluded,
    )


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


def _codes(position: int, given: object) -> list[str]:
    """Codes of one person, each once; nothing for somebody who gave no reason."""
    if is_missing(given):
        return []
    several = isinstance(given, Iterable) and not isinstance(given, (str, Mapping))
    listed: list[Any] = list(cast("Iterable[Any]", given)) if several else [given]
    if not all(isinstance(code, str) for code in listed):
        raise InvalidType(f"codes[{position}] must be a string, a list of strings or None, got {given!r}")
    return list(dict.fromkeys(code for code in listed if code))


def _share(definition: str, numerator: int, denominator: int) -> Rate | None:
    return Rate(definition=definition, numerator=numerator, denominator=denominator) if denominator else None
