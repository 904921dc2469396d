"""Why people answer as they do: coded reasons of promoters and detractors, most frequent first."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Rate
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.nps._answers import OnInvalid, is_missing, read_answers, refuse_none_left, to_array
from retention_metrics.nps._scales import SCALES, ScaleName
from retention_metrics.nps._score import NpsScore, from_counts


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


class ReasonTable(Result, BaseModel):
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
