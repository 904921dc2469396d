"""Retention and churn of one period, under every name that the field gives them."""

import math
from collections.abc import Mapping
from typing import Any, Literal, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, choice, divide, refuse_if, single, whole
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, Rate
from retention_metrics._typing import FloatArray, Number, Numbers, Scalar, Undefined, Vector
from retention_metrics.errors import InvalidValue, UndefinedMetric

NOBODY = "start is 0, so there was nobody to keep"


@overload
def retention_rate(*, start: Scalar, end: Scalar, new: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def retention_rate(*, start: Numbers, end: Numbers, new: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def retention_rate(*, start: Numbers, end: Numbers, new: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Customer retention rate: the share of the opening base that the closing base still makes up.

    .. math:: r = \frac{\text{end} - \text{new}}{\text{start}}

    It equals the retention of the customers present at the start only when nobody joins and leaves
    within the period; :func:`cohort_retention` follows those very customers.

    Args:
        start: Customers when the period opened, >= 0. A number, or one per period.
        end: Customers when the period closed, >= ``new``.
        new: Customers won during the period, >= 0.
        undefined: ``"nan"`` gives NaN where an array has ``start`` 0, instead of an error.

    Returns:
        A fraction in [0, 1]: a float for three numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: A count is negative, or ``end - new`` is negative or exceeds ``start``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> retention_rate(start=200, end=220, new=40)
        0.9
        >>> retention_rate(start=[200, 400], end=[220, 400], new=[40, 20])
        array([0.9 , 0.95])

    References:
        The retention formula as printed in the trade press; its identity with 1 - lost / start is
        discussed in Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    opening = at_least(0, start=start)
    closing = at_least(0, end=end)
    joined = at_least(0, new=new)
    aligned(start=opening, end=closing, new=joined)
    kept = closing - joined
    refuse_if(kept > opening, "end - new exceeds start: more customers kept than there were; is new complete?")
    refuse_if(
        kept < 0,
        "end is less than new: some of the new have left again, so this formula cannot tell who was kept; "
        "use cohort_retention with the customers present at the start",
    )
    return divide(kept, opening, metric="retention_rate", reason=NOBODY, undefined=undefined)


@overload
def cohort_retention(*, start: Scalar, retained: Scalar, undefined: Undefined = "raise") -> float: ...
@overload
def cohort_retention(*, start: Numbers, retained: Numbers, undefined: Undefined = "raise") -> FloatArray: ...
def cohort_retention(*, start: Numbers, retained: Numbers, undefined: Undefined = "raise") -> float | FloatArray:
    r"""Share of the customers present when a period opens who are still there when it closes.

    .. math:: r = \text{retained} / \text{start}

    Customers won during the period count in neither number.

    Args:
        start: Customers when the period opened, >= 0. A number, or one per period.
        retained: How many of those same customers remain, from 0 to ``start``.
        undefined: ``"nan"`` gives NaN where an array has ``start`` 0, instead of an error.

    Returns:
        A fraction in [0, 1]: a float for two numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: A count is negative, or ``retained`` exceeds ``start``.
        InvalidType: A value is not a plain number.

    Examples:
        >>> cohort_retention(start=400, retained=368)
        0.92
        >>> cohort_retention(start=[400, 500], retained=[368, 475])
        array([0.92, 0.95])

    References:
        Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    opening = at_least(0, start=start)
    kept = at_least(0, retained=retained)
    aligned(start=opening, retained=kept)
    refuse_if(kept > opening, "retained exceeds start; leave out customers won during the period")
    return divide(kept, opening, metric="cohort_retention", reason=NOBODY, undefined=undefined)


Definition = Literal["start", "cohort", "average_base", "start_plus_new", "start_plus_half_new", "customer_days"]

DEFINITIONS: tuple[Definition, ...] = (
    "start",
    "cohort",
    "average_base",
    "start_plus_new",
    "start_plus_half_new",
    "customer_days",
)


@overload
def churn_rate(
    *,
    definition: Definition = "start",
    start: Scalar | None = None,
    new: Scalar | None = None,
    lost: Scalar | None = None,
    lost_of_start: Scalar | None = None,
    customer_days: Scalar | None = None,
    days: Scalar | None = None,
    undefined: Undefined = "raise",
) -> float: ...
@overload
def churn_rate(
    *,
    definition: Definition = "start",
    start: Numbers | None = None,
    new: Numbers | None = None,
    lost: Numbers | None = None,
    lost_of_start: Numbers | None = None,
    customer_days: Numbers | None = None,
    days: Numbers | None = None,
    undefined: Undefined = "raise",
) -> FloatArray: ...
def churn_rate(
    *,
    definition: Definition = "start",
    start: Numbers | None = None,
    new: Numbers | None = None,
    lost: Numbers | None = None,
    lost_of_start: Numbers | None = None,
    customer_days: Numbers | None = None,
    days: Numbers | None = None,
    undefined: Undefined = "raise",
) -> float | FloatArray:
    r"""Churn rate of a period, by the definition that is named.

    ======================= ===================================== ==================================================
    definition              formula                               who counts so
    ======================= ===================================== ==================================================
    ``start``               lost / start                          most textbooks; all losses, also of the new
    ``cohort``              lost_of_start / start                 only customers who were there at the start
    ``average_base``        lost / ((start + end) / 2)            the middle of the opening and the closing base
    ``start_plus_new``      lost / (start + new)                  everybody who could have been lost (Stripe)
    ``start_plus_half_new`` lost / (start + new / 2)              the new taken as there for half of the time
    ``customer_days``       lost / customer_days * days           losses per time in which they could happen
    ======================= ===================================== ==================================================

    where end = start + new - lost. The same book gives six numbers; :func:`definitions` lays them side by side.

    Args:
        definition: Which of the six.
        start: Customers when the period opened, >= 0. A number, or one per period.
        new: Customers won during the period, >= 0.
        lost: Customers lost during the period, >= 0, at most ``start + new``.
        lost_of_start: Those of them who were there at the start, at most ``start``.
        customer_days: Days that customers spent with the business in the period, added up, >= 0.
        days: Length of the period in days, > 0.
        undefined: ``"nan"`` gives NaN where an array has denominator 0, instead of an error.

    Returns:
        Losses per customer, >= 0: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        UndefinedMetric: The denominator is 0.
        InvalidValue: An unknown definition, an argument that it needs and does not get, or counts that do not fit.
        InvalidType: A value is not a plain number.

    Examples:
        >>> churn_rate(start=200, lost=12)
        0.06
        >>> churn_rate(definition="start_plus_new", start=200, new=50, lost=12)
        0.048
        >>> round(churn_rate(definition="customer_days", lost=5, customer_days=3100, days=30), 4)
        0.0484

    References:
        Noble (2011), *Defining churn rate*, Shopify, for the daily base; Stripe and Recurly documentation for
        start_plus_new and customer_days; Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5.
    """
    choice(DEFINITIONS, definition=definition)
    given = {
        "start": start,
        "new": new,
        "lost": lost,
        "lost_of_start": lost_of_start,
        "customer_days": customer_days,
        "days": days,
    }
    numbers: dict[str, Number] = {}
    for name in _NEEDS[definition]:
        if given[name] is None:
            raise InvalidValue(f'definition="{definition}" needs {name}, and it was not given')
        numbers[name] = at_least(0, open_low=name == "days", **{name: given[name]})
    aligned(**numbers)
    numerator, denominator = _fraction_of(definition, numbers)
    reason = "customer_days is 0, so nobody could be lost" if definition == "customer_days" else NOBODY
    return divide(numerator, denominator, metric="churn_rate", reason=reason, undefined=undefined)


class DefinedRate(BaseModel):
    """One rate of a book under its name, with the numbers it was made of and a sentence that says what it is.

    ``value`` is ``None`` where the book has no such rate, and ``reason`` says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    value: float | None
    numerator: float | None
    denominator: float | None
    meaning: str
    reason: str | None = None


class Definitions(Result, BaseModel):
    """Every named retention and churn rate of one book, side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: tuple[DefinedRate, ...]

    def __getitem__(self, name: str) -> DefinedRate:
        """The rate of a name."""
        choice([rate.name for rate in self.rates], name=name)
        return next(rate for rate in self.rates if rate.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a definition."""
        names = ("name", "value", "numerator", "denominator", "meaning", "reason")
        return {name: [getattr(rate, name) for rate in self.rates] for name in names}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a definition, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        lines = [
            f"{rate.name:<24}{'-' if rate.value is None else f'{rate.value:.2%}':>8}  {rate.reason or rate.meaning}"
            for rate in self.rates
        ]
        return "\n".join(lines)


def definitions(
    *,
    start: float,
    new: float,
    lost: float,
    lost_of_start: float | None = None,
    end: float | None = None,
    customer_days: float | None = None,
    days: float | None = None,
) -> Definitions:
    """Every named rate of one book, side by side, with numerator, denominator and a sentence each.

    Args:
        start: Customers when the period opened, >= 0.
        new: Customers won during the period, >= 0.
        lost: Customers lost during the period, >= 0.
        lost_of_start: Those of them who were there at the start; without it the rates that follow them have no value.
        end: Customers when it closed, or ``None`` for start + new - lost; when given, the book must close.
        customer_days: Days that customers spent with the business in the period, added up.
        days: Length of the period in days.

    Returns:
        :class:`Definitions`: a table that can be asked by name.

    Raises:
        InvalidValue: start + new - lost is not end; more lost than there were; a count is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> book = definitions(start=200, new=50, lost=12, lost_of_start=9)
        >>> book["start"].value, book["cohort"].value
        (0.06, 0.045)
        >>> print(book)
        retention_rate            94.00%  (end - new) / start: 1 minus all losses over the opening base
        cohort_retention          95.50%  of the customers at the start, those still there at the end
        start                      6.00%  all losses / customers at the start
        cohort                     4.50%  losses among the customers of the start / customers at the start
        average_base               5.48%  all losses / mean of opening and closing base
        start_plus_new             4.80%  all losses / everybody who was a customer at any time
        start_plus_half_new        5.33%  all losses / opening base plus half of the new
        customer_days                  -  customer_days was not given

    References:
        The sources of :func:`churn_rate`; Recurly, *Churn rate: the Butter of the Month example* (2014), for how far
        they part.
    """
    book: dict[str, float] = {}
    given = {
        "start": start,
        "new": new,
        "lost": lost,
        "lost_of_start": lost_of_start,
        "customer_days": customer_days,
        "days": days,
    }
    for name, value in given.items():
        if value is not None:
            book[name] = single(at_least(0, open_low=name == "days", **{name: value}), name)
    closing = book["start"] + book["new"] - book["lost"]
    if end is not None:
        stated = single(at_least(0, end=end), "end")
        if not math.isclose(stated, closing, abs_tol=1e-9):
            raise InvalidValue(
                f"the book does not close: start {start:g} + new {new:g} - lost {lost:g} is {closing:g}, "
                f"and end is {end:g}"
            )
    rows = [_retention("retention_rate", "lost", book), _retention("cohort_retention", "lost_of_start", book)]
    for definition in DEFINITIONS:
        missing = [name for name in _NEEDS[definition] if name not in book]
        numerator, denominator = (None, None) if missing else _fraction_of(definition, book)
        rows.append(_row(definition, numerator, denominator, missing))
    return Definitions(rates=tuple(rows))


def retention_interval(*, retained: int, start: int, level: float = 0.95) -> Interval:
    """Wilson interval of a retention rate: what other rates would fit the same counts.

    Args:
        retained: Customers of the start who are still there, from 0 to ``start``.
        start: Customers when the period opened, >= 1.
        level: Confidence level, between 0 and 1.

    Returns:
        An :class:`~retention_metrics.Interval` of fractions, never of zero width.

    Raises:
        UndefinedMetric: ``start`` is 0.
        InvalidValue: Counts that are no whole numbers or do not fit, or a level outside 0 to 1.
        InvalidType: A value is not a plain number.

    Examples:
        >>> span = retention_interval(retained=8, start=20)
        >>> round(span.low, 4), round(span.high, 4)
        (0.2188, 0.6134)

    References:
        Wilson (1927), *Journal of the American Statistical Association* 22, 209-212.
    """
    opening, kept = whole(0, start=start), whole(0, retained=retained)
    if opening == 0:
        raise UndefinedMetric("retention_interval", NOBODY)
    if kept > opening:
        raise InvalidValue(f"retained must be at most start, got {kept} of {opening}")
    return Rate(definition="retained / start", numerator=kept, denominator=opening).interval(level)


Average = Literal["pooled", "compounding", "unweighted"]


def average_retention(*, start: Vector, retained: Vector, average: Average = "pooled") -> float:
    r"""Mean retention per period over several periods, by the kind of mean that is named.

    =============== ================================================= ================================================
    average         formula                                           says
    =============== ================================================= ================================================
    ``pooled``      :math:`\sum \text{retained} / \sum \text{start}`  every customer and period counts the same
    ``compounding`` :math:`(\prod r_t)^{1/T}`                         the constant rate that ends where these rates do
    ``unweighted``  :math:`\sum r_t / T`                              every period counts the same
    =============== ================================================= ================================================

    Args:
        start: Customers at the start of each period, > 0.
        retained: Those of them still there at its end, from 0 to ``start``.
        average: Which mean.

    Returns:
        A fraction.

    Raises:
        UndefinedMetric: A period began without customers.
        InvalidValue: ``retained`` exceeds ``start``, arrays that differ in length, or an unknown mean.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(average_retention(start=[100, 50], retained=[50, 45], average="pooled"), 4)
        0.6333
        >>> round(average_retention(start=[100, 50], retained=[50, 45], average="compounding"), 4)
        0.6708
        >>> round(average_retention(start=[100, 50], retained=[50, 45], average="unweighted"), 4)
        0.7

    References:
        The ratio estimator: Cochran (1977), *Sampling Techniques*, 3rd ed., chapter 6; the geometric mean for rates
        that compound.
    """
    choice(("pooled", "compounding", "unweighted"), average=average)
    rates = np.atleast_1d(cohort_retention(start=start, retained=retained))
    if average == "compounding":
        return float(math.exp(np.log(rates).mean())) if (rates > 0).all() else 0.0
    if average == "unweighted":
        return float(rates.mean())
    opening, kept = np.broadcast_arrays(at_least(0, start=start), at_least(0, retained=retained))
    return float(kept.sum() / opening.sum())


_NEEDS: dict[Definition, tuple[str, ...]] = {
    "start": ("start", "lost"),
    "cohort": ("start", "lost_of_start"),
    "average_base": ("start", "new", "lost"),
    "start_plus_new": ("start", "new", "lost"),
    "start_plus_half_new": ("start", "new", "lost"),
    "customer_days": ("lost", "customer_days", "days"),
}
_MEANINGS = {
    "retention_rate": "(end - new) / start: 1 minus all losses over the opening base",
    "cohort_retention": "of the customers at the start, those still there at the end",
    "start": "all losses / customers at the start",
    "cohort": "losses among the customers of the start / customers at the start",
    "average_base": "all losses / mean of opening and closing base",
    "start_plus_new": "all losses / everybody who was a customer at any time",
    "start_plus_half_new": "all losses / opening base plus half of the new",
    "customer_days": "losses per customer and day, times the days of the period",
}


def _fraction_of(definition: Definition, book: Mapping[str, Any]) -> tuple[Any, Any]:
    """Numerator and denominator, after a look whether the counts fit together."""
    if definition == "customer_days":
        return book["lost"] * book["days"], book["customer_days"]
    start = book["start"]
    if definition == "cohort":
        lost = book["lost_of_start"]
        refuse_if(np.greater(lost, start), "lost_of_start exceeds start: more lost than were there")
        if "lost" in book:
            refuse_if(np.greater(lost, book["lost"]), "lost_of_start exceeds lost, of which it is a part")
        return lost, start
    lost, new = book["lost"], book.get("new")
    if new is None:
        return lost, start
    refuse_if(np.greater(lost, start + new), "lost exceeds start + new: more lost than there ever were")
    bases = {
        "start": start,
        "average_base": start + (new - lost) / 2,
        "start_plus_new": start + new,
        "start_plus_half_new": start + new / 2,
    }
    return lost, bases[definition]


def _retention(name: str, losses: str, book: Mapping[str, float]) -> DefinedRate:
    if losses not in book:
        return _row(name, None, None, [losses])
    kept = book["start"] - book[losses]
    if kept < 0:
        reason = "more customers were lost than there were at the start, so the formula cannot say who was kept"
        return DefinedRate(
            name=name, value=None, numerator=kept, denominator=book["start"], meaning=_MEANINGS[name], reason=reason
        )
    return _row(name, kept, book["start"], [])


def _row(name: str, numerator: float | None, denominator: float | None, missing: list[str]) -> DefinedRate:
    reason = f"{missing[0]} was not given" if missing else None
    if denominator == 0:
        reason = "the denominator is 0"
    value = None if reason or numerator is None or denominator is None else numerator / denominator
    return DefinedRate(
        name=name, value=value, numerator=numerator, denominator=denominator, meaning=_MEANINGS[name], reason=reason
    )
