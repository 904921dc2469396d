"""The customer base and its money from period to period, by expectation."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import first_true, freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._typing import FloatArray, Numbers, Scalar, Vector
from retention_metrics.errors import InvalidValue
from retention_metrics.growth._terms import ROUNDING, Terms, flows, has_paid, read_terms

_HEADS = ("active", "acquired", "referred", "returned", "lost", "lapsed")
_MONEY = ("margin", "spend", "cumulative")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Projection(Result):
    """The base and its money, one element a period; read-only arrays.

    The book closes in every period: customers before + ``acquired`` + ``referred`` + ``returned`` - ``lost`` are those
    ``active`` at its end.

    Attributes:
        start: Active customers before the first period.
        active: Customers at the end of each period.
        acquired: Customers won in each period.
        referred: Customers who came in each period because others brought them.
        returned: Former customers who came back in each period, or ``None`` without ``returning``.
        lost: Customers lost in each period.
        lapsed: Former customers at the end of each period, or ``None`` without ``returning``.
        margin: Money that the active customers bring in each period, or ``None`` when no margin was given.
        spend: Money spent in each period, or ``None`` when no spend was given.
        cumulative: Margin less spend from the beginning, or ``None`` when no margin was given. With ``discount`` above
            0 it is discounted to the first period, and tables call it ``cumulative_discounted``.
        discount: The discount rate per period.
        break_even: The first period, counted from 1, by whose end the margin has paid for the spend so far (both
            discounted, if there is a discount), or ``None``.
        reason: Why there is no break-even, or ``None``.
        funding_need: The deepest that the money in hand, not discounted, falls below zero: what has to be advanced.
            ``None`` when no margin was given.
        funding_period: The period at whose end it is that deep, or ``None`` when it never falls below zero.
    """

    start: float
    active: FloatArray
    acquired: FloatArray
    referred: FloatArray
    returned: FloatArray | None
    lost: FloatArray
    lapsed: FloatArray | None
    margin: FloatArray | None
    spend: FloatArray | None
    cumulative: FloatArray | None
    discount: float
    break_even: int | None
    reason: str | None
    funding_need: float | None
    funding_period: int | None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *_HEADS, *_MONEY)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a period counted from 1."""
        table: dict[str, Any] = {"period": list(range(1, self.active.size + 1))}
        for name in (*_HEADS, *_MONEY):
            column = getattr(self, name)
            if column is not None:
                table["cumulative_discounted" if name == "cumulative" and self.discount else name] = column.tolist()
        return table

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        lines = [text_table(self.to_dict())]
        if self.break_even is not None:
            lines.append(f"break-even in period {self.break_even}")
        elif self.spend is not None:
            lines.append(f"no break-even: {self.reason}")
        if self.funding_period is not None:
            lines.append(f"deepest funding need {self.funding_need:,.2f} in period {self.funding_period}")
        return "\n".join(lines)


def project(
    *,
    acquired: Numbers,
    retention: Numbers | None = None,
    survival: Vector | None = None,
    periods: int,
    start: Numbers = 0,
    referral: Numbers = 0.0,
    returning: Numbers | None = None,
    lapsed: Scalar = 0,
    margin: Numbers | None = None,
    spend: Numbers | None = None,
    discount: Scalar = 0,
) -> Projection:
    r"""Project the customer base from what is won and what is kept in each period.

    .. math:: N_{t+1} = (r_t + k_t) N_t + a_t

    Customers who join in a period are active at its end and first at risk in the next one. Three things may be added:

    ``survival`` in place of ``retention``, when the risk of leaving changes with age: :math:`S(0) = 1, S(1), \dots` is
    the share of the customers still there so many periods after they joined.

    .. math:: N_t = \sum_{s \le t} b_s S(t - s), \qquad b_s = a_s + k_s N_{s-1}

    ``referral``: each customer present when a period opens brings :math:`k` new ones in it.

    ``returning``: a share :math:`q` of the former customers, the lapsed :math:`L`, comes back in each period; without
    referral, active and lapsed together grow by what is acquired.

    .. math:: N_{t+1} = (r_t + k_t) N_t + q_t L_t + a_t, \qquad L_{t+1} = (1 - q_t) L_t + (1 - r_t) N_t

    Every customer active at the end of a period brings the ``margin`` of that period. Customers there at the
    ``start`` do so too: to judge advertising by what it has brought itself, project it from nothing. Money is
    discounted to the first period, as in :func:`~retention_metrics.ltv.lifetime_value` with payment at the start.

    Args:
        acquired: Customers won per period, >= 0. A number, or one per period.
        retention: Share of the base kept per period, from 0 to 1. A number, or one per period.
        survival: Share of customers still there by age, from 1 at age 0, never rising. It must go on to the last age
            that the projection reaches, or to 0: what follows its end is not guessed.
        periods: How many periods to project, >= 1.
        start: Customers before the first period, >= 0. With ``survival`` it must be 0, or customers by age:
            ``start[0]`` joined in the period just ended, ``start[1]`` in the one before.
        referral: Customers whom each customer brings per period, >= 0. A number, or one per period.
        returning: Share of the lapsed who come back per period, from 0 to 1; needs ``retention``. A number, or one per
            period.
        lapsed: Former customers before the first period, >= 0; needs ``returning``.
        margin: Money per active customer and period after variable costs. A number, or one per period.
        spend: Money spent per period on winning and keeping customers, >= 0. A number, or one per period.
        discount: Discount rate per period, >= 0.

    Returns:
        A :class:`Projection` of ``periods`` elements.

    Raises:
        InvalidValue: A value is out of range, an array has the wrong length, both or neither of ``retention`` and
            ``survival`` are given, ``spend`` or ``discount`` comes without ``margin``, or ``survival`` ends too early.
        InvalidType: A value is not a plain number.

    Examples:
        >>> project(acquired=15, retention=1.0, periods=4).active
        array([15., 30., 45., 60.])
        >>> project(acquired=15, retention=1.0, periods=12, margin=5, spend=410).break_even
        10
        >>> project(acquired=100, survival=[1, 0.6, 0.45, 0.4, 0], periods=5).active
        array([100., 160., 205., 245., 245.])
        >>> print(project(start=100, acquired=20, retention=0.9, referral=0.05, periods=2, margin=5, spend=600))
        period  active  acquired  referred   lost  margin   spend  cumulative
             1  115.00     20.00      5.00  10.00  575.00  600.00      -25.00
             2  129.25     20.00      5.75  11.50  646.25  600.00       21.25
        break-even in period 2
        deepest funding need 25.00 in period 1

    References:
        The stock-and-flow recursion; closed form in :func:`steady_state`. Feller (1941), "On the integral equation of
        renewal theory", *Annals of Mathematical Statistics* 12(3), 243-267, for survival by age.
    """
    return expected(
        read_terms(
            start=start,
            acquired=acquired,
            retention=retention,
            survival=survival,
            referral=referral,
            returning=returning,
            lapsed=lapsed,
            periods=periods,
            margin=margin,
            spend=spend,
            discount=discount,
        )
    )


def expected(terms: Terms) -> Projection:
    """The projection of checked arguments."""
    with np.errstate(over="ignore", invalid="ignore"):
        walk = [np.concatenate(flow) for flow in flows(terms, keep=np.multiply, arrive=np.positive)]
        active, acquired, referred, returned, lost, lapsed = np.stack(walk, axis=1)
        _refuse_beyond_float(active, "base")
        money = _money(terms, active)
    books = terms.returning is not None
    return Projection(
        start=float(terms.start.sum()),
        active=active,
        acquired=acquired,
        referred=referred,
        returned=returned if books else None,
        lost=lost,
        lapsed=lapsed if books else None,
        discount=terms.discount,
        **money,
    )


def _refuse_beyond_float(track: FloatArray, what: str) -> None:
    beyond = first_true(~np.isfinite(track))
    if beyond is not None:
        raise InvalidValue(f"the {what} outgrows float64 in period {beyond[0] + 1}; project fewer periods")


def _money(terms: Terms, active: FloatArray) -> dict[str, Any]:
    if terms.margin is None:
        absent = dict.fromkeys(("margin", "spend", "cumulative", "break_even", "funding_need", "funding_period"))
        return {**absent, "reason": "no margin was given"}
    earned = active * terms.margin
    spent = np.zeros(terms.periods) if terms.spend is None else terms.spend
    cumulative = np.cumsum((earned - spent) * terms.worth)
    turnover = np.cumsum((np.abs(earned) + spent) * terms.worth)
    _refuse_beyond_float(turnover, "money")
    paid = first_true(has_paid(cumulative, turnover, np.cumsum(spent)))
    reason = None
    if terms.spend is None:
        reason = "no spend was given"
    elif not spent.any():
        reason = "nothing was spent"
    elif paid is None:
        reason = f"the margin has not paid for the spend within {terms.periods} periods"
    cash = np.cumsum(earned - spent)
    deepest = int(np.argmin(cash))
    short = cash[deepest] < -ROUNDING * (np.abs(earned) + spent).sum()
    return {
        "margin": earned,
        "spend": terms.spend,
        "cumulative": cumulative,
        "break_even": None if paid is None else paid[0] + 1,
        "reason": reason,
        "funding_need": float(-cash[deepest]) if short else 0.0,
        "funding_period": deepest + 1 if short else None,
    }
