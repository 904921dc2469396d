"""Has the score changed, and does a segment differ? Signed differences with their uncertainty."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice, mapping, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, benjamini_hochberg, holm, two_sided_p, two_sided_z
from retention_metrics.errors import InvalidType, InvalidValue, UndefinedMetric
from retention_metrics.nps._answers import OnInvalid, read_answers, to_array
from retention_metrics.nps._intervals import adjusted
from retention_metrics.nps._scales import SCALES, ScaleName
from retention_metrics.nps._score import NpsScore, Weighting, effective_counts

ComparisonMethod: TypeAlias = Literal["adjusted_wald", "wald"]
Correction: TypeAlias = Literal["holm", "benjamini_hochberg"]

_METHODS = ("adjusted_wald", "wald")
_CORRECTIONS = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}


class NpsComparison(BaseModel):
    """A signed difference of two Net Promoter Scores, in points, and what it is worth.

    Attributes:
        observed: The plain difference of the two scores.
        difference: The difference as the method estimates it; the same for ``"wald"``, a little nearer to 0 for
            ``"adjusted_wald"``.
        standard_error: Its standard error, in points.
        method: ``"adjusted_wald"`` or ``"wald"``.
        paired: Whether the same people answered twice.
        excluded: Pairs left out, by reason; empty for samples of different people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    observed: float
    difference: float
    standard_error: float
    method: ComparisonMethod
    paired: bool = False
    excluded: dict[str, int] = {}

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.standard_error

    @property
    def p_value(self) -> float:
        """Probability of a difference at least as large, in either direction, if there were none."""
        return two_sided_p(self.z)

    def interval(self, level: float = 0.95) -> Interval:
        """Confidence interval of the difference, in points, within -200 to 200.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` in points.
        """
        half = two_sided_z(level) * self.standard_error
        low, high = self.difference - half, self.difference + half
        clipped = low < -200 or high > 200
        return Interval(low=max(low, -200), high=min(high, 200), level=level, method=self.method, clipped=clipped)

    def __str__(self) -> str:
        span = self.interval()
        return (
            f"difference {self.observed:+.1f} points (95 %: {span.low:+.1f} to {span.high:+.1f}), "
            f"z = {self.z:.2f}, p = {self.p_value:.3f}"
        )


def compare(a: NpsScore, b: NpsScore, *, method: ComparisonMethod = "adjusted_wald") -> NpsComparison:
    r"""Difference a - b of two scores from different people, and how sure it is.

    .. math:: z = \frac{m_a - m_b}{\sqrt{V_a / n_a + V_b / n_b}}

    ``"adjusted_wald"`` adds 3/4 promoters, 3/2 passives and 3/4 detractors to each sample first, so that small and
    unanimous samples make no false certainty. Weighted answers count for their effective number.

    Args:
        a: The score that the sign refers to: positive when it is the higher one.
        b: The score to compare it with.
        method: ``"adjusted_wald"`` or ``"wald"``.

    Returns:
        An :class:`NpsComparison`.

    Raises:
        UndefinedMetric: Both samples are unanimous and the method is ``"wald"``.
        InvalidValue: Unknown method, or scores on different scales.
        InvalidType: ``a`` or ``b`` is not an :class:`NpsScore`.

    Examples:
        >>> from retention_metrics import nps
        >>> now = nps.from_counts(promoters=50, passives=30, detractors=20)
        >>> before = nps.from_counts(promoters=40, passives=30, detractors=30)
        >>> print(nps.compare(now, before, method="wald"))
        difference +20.0 points (95 %: -2.3 to +42.3), z = 1.75, p = 0.079

    References:
        Rocks (2016), *The American Statistician* 70(4), 365-372; Agresti & Caffo (2000), *The American
        Statistician* 54(4), 280-288, for adding answers to each of two samples.
    """
    choice(_METHODS, method=method)
    for name, sample in (("a", a), ("b", b)):
        if not isinstance(sample, NpsScore):
            raise InvalidType(f"{name} must be an NpsScore, got {type(sample).__name__}; make one with nps.score(...)")
    refuse_scales((a, b))
    counts = [effective_counts(sample) for sample in (a, b)]
    if method == "adjusted_wald":
        counts = [adjusted(count) for count in counts]
    difference = float(counts[0].mean[0] - counts[1].mean[0])
    spread = math.sqrt(sum(float(count.variance[0] / count.size[0]) for count in counts))
    return _comparison(a.value - b.value, difference, spread, method)


def compare_paired(
    before: Any,
    after: Any,
    *,
    method: ComparisonMethod = "adjusted_wald",
    on_invalid: OnInvalid = "raise",
    scale: ScaleName = "0-10",
) -> NpsComparison:
    r"""Change of the score between two waves that the same people answered: after - before.

    .. math:: \bar D \pm z \sqrt{\frac{\overline{D^2} - \bar D^2}{n}}, \qquad D_i = s_i^{after} - s_i^{before}

    The two answers of one person are alike, so the formula for different people, :func:`compare`, would be wrong:
    mostly far too unsure. ``"adjusted_wald"`` adds three pairs whose two answers are independent, each in the
    proportion 1 : 2 : 1 of promoters, passives and detractors: both waves are then adjusted as in :func:`compare`.

    Args:
        before: Answers of the first wave, one-dimensional.
        after: Answers of the second wave, of the same people in the same order.
        method: ``"adjusted_wald"`` or ``"wald"``.
        on_invalid: ``"exclude"`` leaves out pairs of which an answer cannot be used, and counts them by reason.
        scale: Name of the scale, as for :func:`score`.

    Returns:
        An :class:`NpsComparison` with ``paired`` true.

    Raises:
        UndefinedMetric: No pair can be used; or everybody changed in the same way and the method is ``"wald"``.
        InvalidValue: The waves differ in length, or an answer cannot be used.
        InvalidType: An answer is a string or a boolean.

    Examples:
        >>> change = compare_paired(before=[9, 9, 7, 3, 8, 10], after=[7, 9, 6, 3, 8, 8], method="wald")
        >>> round(change.difference, 1), round(change.standard_error, 1)
        (-50.0, 20.4)

    References:
        The large-sample test of a mean of differences; Agresti & Min (2005), *Statistics in Medicine* 24,
        729-740, for adding pairs before it.
    """
    choice(_METHODS, method=method)
    choice(SCALES, scale=scale)
    rule = SCALES[scale]
    waves = {"before": to_array("before", before), "after": to_array("after", after)}
    sizes = [wave.size for wave in waves.values()]
    if sizes[0] != sizes[1]:
        raise InvalidValue(
            f"before and after must hold the same people in the same order, got {sizes[0]:,} and {sizes[1]:,} answers"
        )
    read = {
        name: read_answers(name, wave, low=rule.low, high=rule.high, on_invalid=on_invalid)
        for name, wave in waves.items()
    }
    both = read["before"].usable & read["after"].usable
    if not both.any():
        raise UndefinedMetric("nps difference", "there is no pair of usable answers")
    first, second = (np.digitize(each.values[both], (rule.passive, rule.promoter)) for each in read.values())
    pairs = np.bincount(3 * first + second, minlength=9).astype(np.float64)
    change = np.subtract.outer(np.arange(3), np.arange(3)).T.ravel()
    observed = float(pairs @ change / pairs.sum())
    if method == "adjusted_wald":
        pairs = pairs + 3 * np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25]).ravel()
    mean = float(pairs @ change / pairs.sum())
    variance = max(float(pairs @ change**2 / pairs.sum()) - mean**2, 0.0)
    left_out = int(np.count_nonzero(~both))
    return _comparison(
        100 * observed,
        mean,
        math.sqrt(variance / pairs.sum()),
        method,
        paired=True,
        excluded={"pair with an unusable answer": left_out} if left_out else {},
    )


class SegmentRow(BaseModel):
    """One segment beside everybody else.

    ``comparison`` and ``p_adjusted`` are ``None`` for a segment that is too small, and ``reason`` says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment: str
    score: NpsScore
    rest: NpsScore
    comparison: NpsComparison | None
    p_adjusted: float | None
    reason: str | None


class NpsSegments(Result, BaseModel):
    """Every segment against the rest, with p-values corrected for the number of segments compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[SegmentRow, ...]
    correction: Correction
    min_answers: int

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a segment; ``None`` where a segment was not compared."""
        rows = self.rows
        spans = [row.comparison.interval() if row.comparison else None for row in rows]
        return {
            "segment": [row.segment for row in rows],
            "n": [row.score.n for row in rows],
            "nps": [row.score.value for row in rows],
            "nps_rest": [row.rest.value for row in rows],
            "difference": [row.comparison.observed if row.comparison else None for row in rows],
            "low": [span.low if span else None for span in spans],
            "high": [span.high if span else None for span in spans],
            "p_value": [row.comparison.p_value if row.comparison else None for row in rows],
            "p_adjusted": [row.p_adjusted for row in rows],
            "reason": [row.reason for row in rows],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a segment, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)


def compare_segments(
    segments: Mapping[str, NpsScore],
    *,
    correction: Correction = "holm",
    method: ComparisonMethod = "adjusted_wald",
    min_answers: int = 10,
) -> NpsSegments:
    """Each segment against the rest of the sample, corrected for looking at many.

    The rest leaves the segment out: against the total, which contains it, every segment looks more average than it
    is. Among twenty segments that do not differ one has p < 0.05 as a rule, so the p-values are adjusted for the number
    of segments compared.

    Args:
        segments: Scores by name; together they are the sample. At least two.
        correction: ``"holm"``: any false finding at all is rare. ``"benjamini_hochberg"``: false findings are a
            small share of the findings.
        method: As for :func:`compare`.
        min_answers: Segments with fewer answers, or that leave fewer for the rest, are shown and not compared.

    Returns:
        An :class:`NpsSegments`, rows in the order given.

    Raises:
        InvalidValue: Fewer than two segments, or an unknown correction or method.
        InvalidType: A value is not an :class:`NpsScore`.

    Examples:
        >>> from retention_metrics import nps
        >>> table = nps.compare_segments({
        ...     "north": nps.from_counts(promoters=45, passives=35, detractors=20),
        ...     "south": nps.from_counts(promoters=30, passives=40, detractors=30),
        ...     "lake": nps.from_counts(promoters=3, passives=1, detractors=0),
        ... })
        >>> [(row.segment, row.reason or round(row.p_adjusted, 4)) for row in table.rows]
        [('north', 0.0436), ('south', 0.027), ('lake', 'fewer than 10 answers')]

    References:
        Holm (1979), *Scandinavian Journal of Statistics* 6, 65-70; Benjamini & Hochberg (1995), *JRSS B* 57,
        289-300.
    """
    choice(_CORRECTIONS, correction=correction)
    choice(_METHODS, method=method)
    mapping(segments=segments)
    fewest = whole(1, min_answers=min_answers)
    if len(segments) < 2:
        raise InvalidValue(f"segments must be at least two, got {len(segments)}; a segment is compared with the rest")
    for name, sample in segments.items():
        if not isinstance(sample, NpsScore):
            raise InvalidType(f"segments[{name!r}] must be an NpsScore, got {type(sample).__name__}")
    refuse_unlike(list(segments.values()))
    rests = {name: pool([other for key, other in segments.items() if key != name]) for name in segments}
    compared: dict[str, NpsComparison] = {}
    reasons: dict[str, str] = {}
    for name, sample in segments.items():
        small = min(sample.n, rests[name].n) < fewest
        try:
            if small:
                reasons[name] = f"fewer than {fewest} answers{'' if sample.n < fewest else ' in the rest'}"
            else:
                compared[name] = compare(sample, rests[name], method=method)
        except UndefinedMetric as undefined:
            reasons[name] = undefined.reason
    p_values = np.array([each.p_value for each in compared.values()])
    # Two segments make one test, seen from both sides.
    adjusted_p = p_values if len(segments) == 2 else _CORRECTIONS[correction](p_values)
    p_by_name = dict(zip(compared, adjusted_p.tolist(), strict=True))
    rows = [
        SegmentRow(
            segment=str(name),
            score=sample,
            rest=rests[name],
            comparison=compared.get(name),
            p_adjusted=p_by_name.get(name),
            reason=reasons.get(name),
        )
        for name, sample in segments.items()
    ]
    return NpsSegments(rows=tuple(rows), correction=correction, min_answers=fewest)


def pool(samples: list[NpsScore]) -> NpsScore:
    """The answers of several samples as one."""
    refuse_unlike(samples)
    first = samples[0]
    weighting = None
    if first.weighting is not None:
        parts = [sample.weighting for sample in samples if sample.weighting is not None]
        sums, squares = (np.sum([getattr(part, name) for part in parts], axis=0) for name in ("sums", "squares"))
        weighting = Weighting(sums=tuple(sums.tolist()), squares=tuple(squares.tolist()))
    return NpsScore(
        promoters=sum(sample.promoters for sample in samples),
        passives=sum(sample.passives for sample in samples),
        detractors=sum(sample.detractors for sample in samples),
        weighting=weighting,
        scale=first.scale,
    )


def refuse_unlike(samples: Sequence[NpsScore]) -> None:
    """Refuse to treat answers on different scales, or some with weights and some without, as one sample."""
    refuse_scales(samples)
    if len({sample.weighting is None for sample in samples}) > 1:
        raise InvalidValue("weighted and unweighted scores do not go together; give every answer a weight")


def refuse_scales(samples: Sequence[NpsScore]) -> None:
    """Refuse to put scores on different scales side by side."""
    if len({sample.scale for sample in samples}) > 1:
        raise InvalidValue(f"scores must be on one scale, got {', '.join(sorted({s.scale for s in samples}))}")


def _comparison(
    observed: float,
    difference: float,
    spread: float,
    method: ComparisonMethod,
    *,
    paired: bool = False,
    excluded: dict[str, int] | None = None,
) -> NpsComparison:
    if spread == 0:
        what = "everybody changed in the same way" if paired else "both samples are unanimous"
        raise UndefinedMetric(
            "nps difference", f'{what}, so there is no spread to judge by; use method="adjusted_wald"'
        )
    return NpsComparison(
        observed=observed,
        difference=100 * difference,
        standard_error=100 * spread,
        method=method,
        paired=paired,
        excluded=excluded or {},
    )
