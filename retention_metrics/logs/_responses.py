"""The log of survey answers: a thin handle on a frame, and the questions one can put to it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np

from retention_metrics._checks import choice
from retention_metrics._typing import Period, Weekday
from retention_metrics.logs import _answers, _rows, _trust
from retention_metrics.nps import NpsScore, NpsTable, NpsTrend, SurveyIntegrity
from retention_metrics.nps._scales import SCALES, ScaleName


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Responses:
    """A log of survey answers: who answered, when, and what; one row an answer.

    The three questions of a survey are its columns: how likely are you to recommend us (``score``), why
    (``reason``), and may we contact you (``may_contact``). The frame may be a pandas, Polars (eager or lazy), PyArrow,
    DuckDB, PySpark or Dask table; the engine counts, and only counts travel.

    A customer who answered more than once is counted once: ``repeated`` says which answer counts. In a table by period
    it is one answer a customer and period. Answers left out for it are counted in ``excluded``.

    Rows that cannot be used (no customer, no time, a score that is missing, fractional or off the scale, a weight
    that is not positive) are an error that counts them by reason, or are left out and counted with
    ``on_invalid="exclude"``. Rows after ``as_of`` are left out and counted.

    Args:
        frame: The log.
        customer: Column of customer ids: strings or integers.
        time: Column of the time of the answer: dates or timestamps.
        score: Column of the answer, a whole number on the scale.
        reason: Column of the coded reason, or ``None``.
        may_contact: Column that says who agreed to be contacted (true and false, or 1 and 0), or ``None``.
        segment: Column of the customer's segment, or ``None``.
        agent: Column of who collected the answer, or ``None``.
        weight: Column of positive weights, or ``None``.
        tz: Time zone of the business, for timestamps that carry a zone.
        week_start: ``"monday"`` or ``"sunday"``.
        scale: ``"0-10"``, ``"1-10"``, ``"1-7"`` or ``"1-5"``: see :func:`retention_metrics.nps.score`.
        repeated: ``"latest"`` or ``"first"`` answer of each customer, or ``"all"`` answers.
        on_invalid: ``"raise"`` or ``"exclude"``.

    Raises:
        MissingColumn: A column that the frame does not have; the message names the nearest one.
        InvalidType: The frame is of no supported kind, or a column is of the wrong one.
        InvalidValue: A time zone is missing, unknown or superfluous; or an unknown name of a rule.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> frame = pl.DataFrame({
        ...     "client": ["ann", "bob", "cleo", "ann", "dan"],
        ...     "asked_on": [date(2026, 1, day) for day in (9, 9, 20, 25, 26)],
        ...     "answer": [6, 9, 10, 9, 3],
        ...     "shop": ["north", "north", "south", "north", "south"],
        ... })
        >>> survey = Responses(frame, customer="client", time="asked_on", score="answer", segment="shop")
        >>> survey.score(as_of="2026-01-31")
        NpsScore(promoters=3, passives=0, detractors=1, weighting=None, scale='0-10',
            excluded={'followed by a later answer': 1})
        >>> table = survey.score(as_of="2026-01-31", by="segment")
        >>> {name: sample.value for name, sample in table.segments().items()}
        {'north': 100.0, 'south': 0.0}
    """

    _log: _rows.Log = field()
    _scale: ScaleName = field()
    _repeated: _answers.Repeated = field()

    def __init__(
        self,
        frame: Any,
        *,
        customer: str,
        time: str,
        score: str,
        reason: str | None = None,
        may_contact: str | None = None,
        segment: str | None = None,
        agent: str | None = None,
        weight: str | None = None,
        tz: str | None = None,
        week_start: Weekday = "monday",
        scale: ScaleName = "0-10",
        repeated: _answers.Repeated = "latest",
        on_invalid: Literal["raise", "exclude"] = "raise",
    ) -> None:
        choice(SCALES, scale=scale)
        choice(_answers.REPEATED, repeated=repeated)
        log = _rows.open_log(
            frame,
            customer=customer,
            time=time,
            roles={
                "score": score,
                "reason": reason,
                "may_contact": may_contact,
                "segment": segment,
                "agent": agent,
                "weight": weight,
            },
            tz=tz,
            week_start=week_start,
            on_invalid=on_invalid,
        )
        object.__setattr__(self, "_log", _answers.with_answers(log, SCALES[scale]))
        object.__setattr__(self, "_scale", scale)
        object.__setattr__(self, "_repeated", repeated)

    def __repr__(self) -> str:
        return f"Responses({_rows.described(self._log)}, scale={self._scale!r}, repeated={self._repeated!r})"

    @overload
    def score(self, *, as_of: dt.date | str) -> NpsScore: ...
    @overload
    def score(self, *, as_of: dt.date | str, by: str | Sequence[str], period: Period | None = None) -> NpsTable: ...
    @overload
    def score(self, *, as_of: dt.date | str, by: str | Sequence[str] | None = None, period: Period) -> NpsTable: ...
    def score(
        self, *, as_of: dt.date | str, by: str | Sequence[str] | None = None, period: Period | None = None
    ) -> NpsScore | NpsTable:
        """The Net Promoter Score of all answers, or of every segment and period.

        Args:
            as_of: Last day that the data cover, inclusive.
            by: What makes the segments: ``"segment"``, ``"agent"``, ``"reason"`` or any other column, or several.
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.

        Returns:
            An :class:`~retention_metrics.nps.NpsScore`; with ``by`` or ``period`` an
            :class:`~retention_metrics.nps.NpsTable` with one score a cell.

        Raises:
            MissingColumn: A column of ``by`` that the frame does not have.
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Reichheld (2003), "The one number you need to grow", *Harvard Business Review* 81(12), 46-54.
        """
        return _answers.score(self._log, as_of=as_of, by=by, period=period, repeated=self._repeated, scale=self._scale)

    def trend(self, *, as_of: dt.date | str, period: Period = "month") -> NpsTrend:
        """The score from period to period, with the change against the period before and its uncertainty.

        Args:
            as_of: Last day that the data cover, inclusive.
            period: ``"day"``, ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``, of the calendar.

        Returns:
            An :class:`~retention_metrics.nps.NpsTrend`; a period without answers is there, without a score.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: No usable row up to ``as_of``.

        References:
            Rocks (2016), *The American Statistician* 70(4), 365-372, for the intervals.
        """
        return _answers.trend(self._log, as_of=as_of, period=period, repeated=self._repeated, scale=self._scale)

    def follow_up(self, group: Literal["promoters", "passives", "detractors"], *, as_of: dt.date | str) -> Any:
        """Whom to thank and whom to call: the members of a class who agreed to be contacted.

        The newest answer of each customer decides, whatever ``repeated`` says; of answers at the same moment the
        lowest. Who did not say whether they may be contacted did not agree.

        Args:
            group: ``"promoters"``, ``"passives"`` or ``"detractors"``.
            as_of: Last day that the data cover, inclusive.

        Returns:
            A frame of the kind that came in, one row a customer, in no particular order: customer, time, score,
            and reason, segment and agent as far as the log has them.

        Raises:
            InvalidRows: Rows that cannot be used, counted by reason.
            InvalidValue: The log does not say who agreed, or has no usable row up to ``as_of``.
            InvalidType: The column of the agreement holds something else than true and false, or 1 and 0.

        References:
            Reichheld & Markey (2011), *The Ultimate Question 2.0*, for closing the loop.
        """
        return _answers.follow_up(self._log, group, as_of=as_of, scale=SCALES[self._scale])

    def integrity(
        self,
        *,
        as_of: dt.date | str,
        level: float = 0.99,
        fastest: int = 10,
        rng: np.random.Generator | int = 0,
    ) -> SurveyIntegrity:
        """Which agents collected answers that customers hardly gave: too alike, in runs, double or too fast.

        Every answer counts here, repeated ones too. Two tests ask whether the answers of an agent could have been drawn
        from the answers of all: a permutation test of their entropy, and the exact probability of their longest run
        of equal answers. Both are corrected for the number of agents (Holm). Nothing is deleted.

        Args:
            as_of: Last day that the data cover, inclusive.
            level: A test raises a flag when its adjusted p-value is below 1 - level.
            fastest: An answer fewer seconds than this after the agent's last one is too fast; 0 does without.
            rng: Generator or seed of the permutations; the same seed gives the same answer.

        Returns:
            A :class:`~retention_metrics.nps.SurveyIntegrity`, the most suspicious agents first.

        Raises:
            InvalidValue: The log has no column of agents, or no usable row up to ``as_of``.
            UndefinedMetric: No row names an agent.

        References:
            Good (2005), *Permutation, Parametric and Bootstrap Tests of Hypotheses*; Feller (1968), *An
            Introduction to Probability Theory*, vol. 1, chapter XIII, for runs.
        """
        return _trust.integrity(
            self._log, as_of=as_of, level=level, fastest=fastest, rng=rng, scale=SCALES[self._scale]
        )
