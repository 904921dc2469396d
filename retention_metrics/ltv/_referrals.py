"""Care after the sale: recommendations that fade, reminders that refresh them, and what both are worth."""

import math
import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import aligned, at_least, finite, fraction, freeze, refuse_if, single
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import expm1
from retention_metrics._typing import FloatArray, IntArray, Number, Numbers, Scalar, Vector
from retention_metrics.errors import InvalidValue, UndefinedMetric

_TIES = 1e-9
_LONGEST = 1_000_000
_SHOWN = 12


class ReferralValue(BaseModel):
    """What the word of mouth of an average customer brings over a horizon, without and with reminders.

    Attributes:
        shares: Shares of promoters, passives and detractors.
        rates: New customers that one promoter, passive and detractor brings per period while the service is fresh.
        half_life: Periods after which a rate has halved.
        horizon: Periods that count.
        ltv: Lifetime value of a referred customer.
        spacing: Periods between reminders, or ``None`` for none.
        referrals_by_class: New customers per customer, from promoters, passives and detractors, without reminders.
        referrals_without: Their sum: new customers per customer without reminders.
        referrals_with: The same with reminders.
        reminders: Reminders that a promoter gets within the horizon.
        cost: What they cost per customer, promoter or not.
        value_without: Money per customer from referrals without reminders.
        net_value: Money per customer from referrals with reminders, after their cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shares: tuple[float, float, float]
    rates: tuple[float, float, float]
    half_life: float
    horizon: float
    ltv: float
    spacing: float | None
    referrals_by_class: tuple[float, float, float]
    referrals_without: float
    referrals_with: float
    reminders: int
    cost: float
    value_without: float
    net_value: float

    @property
    def nps(self) -> float:
        """The Net Promoter Score of these shares, in points."""
        return 100 * (self.shares[0] - self.shares[2])

    @property
    def gain(self) -> float:
        """What the reminders add: ``net_value - value_without``, money per customer."""
        return self.net_value - self.value_without

    @property
    def worth_of_referred(self) -> float:
        r"""What a referred customer is worth with all who come through them, and through those, and so on.

        .. math:: \frac{\text{ltv} - \text{cost}}{1 - R}

        R are the referrals per customer with reminders: referred customers are taken to recommend, and to be reminded,
        like all others. Undefined when each brings at least one more, for then the chain has no end.
        """
        if self.referrals_with >= 1:
            reason = f"every customer brings {self.referrals_with:.4g} more, so the chain has no end"
            raise UndefinedMetric("worth_of_referred", reason)
        return (self.ltv - self.cost) / (1 - self.referrals_with)

    @property
    def reading(self) -> str:
        """What the number says, and what it does not say."""
        return (
            f"At NPS {self.nps:.1f} word of mouth is worth {self.net_value:,.2f} a customer over {self.horizon:g} "
            "periods. This is an association under the stated rates: it does not say that a higher score brings more."
        )

    def __str__(self) -> str:
        classes = zip(("promoters", "passives", "detractors"), self.referrals_by_class, strict=True)
        lines = [textwrap.fill(self.reading, 88), f"{'without reminders':<20}{'referrals':>12}{'money':>14}"]
        lines += [f"{'  ' + name:<20}{count:>12.4f}{count * self.ltv:>14,.2f}" for name, count in classes]
        lines.append(f"{'  together':<20}{self.referrals_without:>12.4f}{self.value_without:>14,.2f}")
        if self.spacing is not None:
            lines.append(
                f"{_every(self.spacing):<20}{self.referrals_with:>12.4f}{self.referrals_with * self.ltv:>14,.2f}"
            )
            lines.append(f"{'  reminders':<20}{self.reminders:>12,}{-self.cost:>14,.2f}")
            lines.append(f"{'  net':<20}{'':>12}{self.net_value:>14,.2f}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReminderSpacings(Result):
    """Every spacing of reminders beside never, one element a spacing, the shortest first; read-only arrays.

    Referrals and money are per average customer, over the whole horizon.

    Attributes:
        spacing: Whole periods between reminders, from 1 to the last that is shorter than the horizon.
        reminders: Reminders that a promoter gets.
        referrals: New customers.
        cost: What the reminders cost.
        net_value: Money from referrals after the cost of reminders.
        referrals_never: New customers without reminders.
        net_value_never: Money from referrals without reminders.
        best: The spacing with the largest net value; ``None`` when it is best never to remind.
        reason: Why it is best never to remind, or ``None``.
    """

    spacing: IntArray
    reminders: IntArray
    referrals: FloatArray
    cost: FloatArray
    net_value: FloatArray
    referrals_never: float
    net_value_never: float
    best: int | None
    reason: str | None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, "spacing", "reminders", "referrals", "cost", "net_value")

    @property
    def gain(self) -> float:
        """What the best spacing adds to never reminding, money per customer; 0 when never is best."""
        return 0.0 if self.best is None else float(self.net_value[self.best - 1]) - self.net_value_never

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a spacing; the last one, spacing ``None``, is never."""
        return {
            "spacing": [*self.spacing.tolist(), None],
            "reminders": [*self.reminders.tolist(), 0],
            "referrals": [*self.referrals.tolist(), self.referrals_never],
            "cost": [*self.cost.tolist(), 0.0],
            "net_value": [*self.net_value.tolist(), self.net_value_never],
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a spacing and one for never, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        verdict = f"never remind: {self.reason}"
        if self.best is not None:
            verdict = f"remind {_every(self.best)}: {self.gain:+,.2f} a customer beside never"
        rows = list(zip(*self.to_dict().values(), strict=True))
        ranked = sorted(range(len(rows)), key=lambda i: -rows[i][-1])[:_SHOWN]
        shown = [rows[i] for i in sorted({*ranked, len(rows) - 1})]
        lines = [verdict, f"{'spacing':>8} {'reminders':>10} {'referrals':>10} {'cost':>11} {'net value':>13}"]
        for spacing, count, referrals, cost, net in shown:
            lines.append(f"{spacing or 'never':>8} {count:>10,} {referrals:>10.4f} {cost:>11,.2f} {net:>13,.2f}")
        if len(shown) < len(rows):
            lines.append(f"... and {len(rows) - len(shown):,} spacings that are worth less")
        return "\n".join(lines)


@overload
def expected_referrals(*, rate: Scalar, half_life: Scalar, horizon: Scalar, spacing: Scalar | None = None) -> float: ...
@overload
def expected_referrals(
    *, rate: Numbers, half_life: Numbers, horizon: Numbers, spacing: Numbers | None = None
) -> FloatArray: ...
def expected_referrals(
    *, rate: Numbers, half_life: Numbers, horizon: Numbers, spacing: Numbers | None = None
) -> float | FloatArray:
    r"""New customers that one customer brings while their recommendations fade, and are refreshed by reminders.

    Time is continuous. At time t after the service, or after the last reminder, a customer brings
    :math:`\rho \, 2^{-t/h}` new ones per period, so that until time x it is

    .. math:: R(x) = \int_0^x \rho \, 2^{-t/h} \, dt = \rho \, \frac{h}{\ln 2} \left(1 - 2^{-x/h}\right)

    Without reminders the referrals are :math:`R(H)`. A reminder restores the rate in full; with one every s periods

    .. math:: R_s(H) = n \, R(s) + R(H - n s), \qquad n = \lfloor H / s \rfloor

    Args:
        rate: New customers per period right after the service; below 0 for one who warns others.
        half_life: Periods after which the rate has halved, > 0.
        horizon: Count only this many periods, >= 0.
        spacing: Periods between reminders, > 0; from the horizon on it is never. ``None``: never.

    Returns:
        New customers: a float for numbers, otherwise an array of the broadcast shape.

    Raises:
        InvalidValue: A value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> round(expected_referrals(rate=0.1, half_life=6, horizon=12), 4)
        0.6492
        >>> expected_referrals(rate=0.1, half_life=6, horizon=12, spacing=[3, 6, 12]).round(4)
        array([1.0141, 0.8656, 0.6492])

    References:
        Broadbent (1979), "One way TV advertisements work", *Journal of the Market Research Society* 21(3), 139-166,
        for an effect with a half-life that every new contact refreshes.
    """
    fresh = finite(rate=rate)
    half = at_least(0, open_low=True, half_life=half_life)
    stretch = at_least(0, horizon=horizon)
    if spacing is None:
        aligned(rate=fresh, half_life=half, horizon=stretch)
        return _finite(fresh * _fresh_periods(half, stretch))
    gap = at_least(0, open_low=True, spacing=spacing)
    aligned(rate=fresh, half_life=half, horizon=stretch, spacing=gap)
    return _finite(fresh * _refreshed_periods(half, stretch, gap))


def referral_value(
    *,
    shares: Vector,
    rates: Vector,
    half_life: Scalar,
    horizon: Scalar,
    ltv: Scalar,
    spacing: Scalar | None = None,
    reminder_cost: Scalar = 0,
) -> ReferralValue:
    r"""What care after the sale is worth: recommendations that fade, and reminders or gifts that refresh them.

    .. math::

        \text{value without} = L \sum_k \pi_k R_k(H), \qquad
        \text{net value} = L \Big( \pi_1 R_{1,s}(H) + \pi_2 R_2(H) + \pi_3 R_3(H) \Big) - \pi_1 \, z \, c

    k runs over promoters, passives and detractors, with shares :math:`\pi` and with R as in
    :func:`expected_referrals`; L is the lifetime value of a referred customer. The word of all three fades alike. Only
    promoters are reminded, every s periods, :math:`z = \lceil H/s \rceil - 1` times before the horizon, for c each.
    Nothing is discounted.

    It ties a score to money and claims no cause: the rates say what customers of each class do, not what a customer
    would do whom somebody talked into another answer.

    Args:
        shares: Promoters, passives and detractors as fractions that add up to 1: ``NpsScore.shares``.
        rates: New customers that one of each class brings per period right after the service: of promoters >= 0, of
            detractors below 0 when they keep others away.
        half_life: Periods after which a rate has halved, > 0; six months is a fair beginning.
        horizon: Count only this many periods, >= 0.
        ltv: Lifetime value of a referred customer, money on margin; nothing was spent on winning them.
        spacing: Periods between reminders to promoters, > 0; ``None``: none are sent.
        reminder_cost: What a reminder or a gift costs, money per promoter each time, >= 0.

    Returns:
        A :class:`ReferralValue`.

    Raises:
        InvalidValue: The shares do not add up to 1, or a value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> care = referral_value(
        ...     shares=(0.5, 0.3, 0.2), rates=(0.1, 0.02, -0.05), half_life=6, horizon=12, ltv=200,
        ...     spacing=3, reminder_cost=10,
        ... )
        >>> print(care)
        At NPS 30.0 word of mouth is worth 81.22 a customer over 12 periods. This is an
        association under the stated rates: it does not say that a higher score brings more.
        without reminders      referrals         money
          promoters               0.3246         64.92
          passives                0.0390          7.79
          detractors             -0.0649        -12.98
          together                0.2986         59.73
        every 3 periods           0.4811         96.22
          reminders                    3        -15.00
          net                                    81.22
        >>> round(care.gain, 2)
        21.49

    References:
        Kumar, Petersen & Leone (2007), "How valuable is word of mouth?", *Harvard Business Review* 85(10), 139-146;
        Keiningham et al. (2007), "A longitudinal examination of Net Promoter and firm revenue growth", *Journal of
        Marketing* 71(3), 39-51, against reading the score as a cause.
    """
    terms = _read(shares, rates, half_life, horizon, ltv, reminder_cost)
    gap = None if spacing is None else single(at_least(0, open_low=True, spacing=spacing), "spacing")
    if gap is not None and terms.horizon / gap > _LONGEST:
        raise InvalidValue(f"spacing is so short that there were more than {_LONGEST:,} reminders; got {gap:g}")
    by_class = terms.by_class()
    without = sum(by_class)
    reminders, referrals, cost = (0, without, 0.0)
    if gap is not None:
        counts, brought, costs = terms.reminded(np.array([gap]))
        reminders, referrals, cost = int(counts[0]), float(brought[0]), float(costs[0])
    _finite(referrals * terms.ltv - cost)
    _finite(without * terms.ltv)
    return ReferralValue(
        shares=terms.shares,
        rates=terms.rates,
        half_life=terms.half_life,
        horizon=terms.horizon,
        ltv=terms.ltv,
        spacing=gap,
        referrals_by_class=by_class,
        referrals_without=without,
        referrals_with=referrals,
        reminders=reminders,
        cost=cost,
        value_without=without * terms.ltv,
        net_value=referrals * terms.ltv - cost,
    )


def best_spacing(
    *,
    shares: Vector,
    rates: Vector,
    half_life: Scalar,
    horizon: Scalar,
    ltv: Scalar,
    reminder_cost: Scalar,
) -> ReminderSpacings:
    r"""How often to remind those who recommend: the spacing with the largest net value over the horizon.

    .. math:: s^* = \arg\max_{s \in \{1, 2, \dots, \text{never}\}} \text{net value}(s)

    The net value is that of :func:`referral_value`. Every whole spacing shorter than the horizon is tried, and never: a
    longer one sends no reminder. What a late reminder brings after the horizon does not count.

    Args:
        shares: Promoters, passives and detractors as fractions that add up to 1.
        rates: New customers that one of each class brings per period right after the service.
        half_life: Periods after which a rate has halved, > 0.
        horizon: Count only this many periods, from 0 to 1,000,000.
        ltv: Lifetime value of a referred customer, money on margin.
        reminder_cost: What a reminder or a gift costs, money per promoter each time, >= 0.

    Returns:
        A :class:`ReminderSpacings` with all of them, the best, or the reason why none pays.

    Raises:
        InvalidValue: The shares do not add up to 1, or a value is out of range.
        InvalidType: A value is not a plain number.

    Examples:
        >>> care = best_spacing(
        ...     shares=(0.5, 0.3, 0.2), rates=(0.1, 0.02, -0.05), half_life=6, horizon=12, ltv=200, reminder_cost=10
        ... )
        >>> care.best, round(care.gain, 2)
        (3, 21.49)
        >>> dear = best_spacing(
        ...     shares=(0.5, 0.3, 0.2), rates=(0.1, 0.02, -0.05), half_life=6, horizon=12, ltv=200, reminder_cost=50
        ... )
        >>> print(dear.best, dear.reason, sep=": ")
        None: the best of them, every 6 periods, brings 21.64 a customer and costs 25.00

    References:
        Enumeration of the spacings; Broadbent (1979), *Journal of the Market Research Society* 21(3), 139-166, for an
        effect with a half-life.
    """
    terms = _read(shares, rates, half_life, horizon, ltv, reminder_cost)
    if terms.horizon > _LONGEST:
        raise InvalidValue(f"horizon must be at most {_LONGEST:,} periods, got {terms.horizon:g}; take longer periods")
    spacings = np.arange(1, max(math.ceil(terms.horizon), 1))
    never = sum(terms.by_class())
    with np.errstate(over="ignore", invalid="ignore"):
        reminders, referrals, cost = terms.reminded(spacings.astype(np.float64))
        net_value = referrals * terms.ltv - cost
    _finite(float(np.abs(np.append(net_value, never * terms.ltv)).max()))
    best, reason = _best(terms, spacings, net_value, cost, never * terms.ltv)
    return ReminderSpacings(
        spacing=spacings,
        reminders=reminders,
        referrals=referrals,
        cost=cost,
        net_value=net_value,
        referrals_never=never,
        net_value_never=never * terms.ltv,
        best=best,
        reason=reason,
    )


class _Terms(NamedTuple):
    shares: tuple[float, float, float]
    rates: tuple[float, float, float]
    half_life: float
    horizon: float
    ltv: float
    reminder_cost: float

    def by_class(self) -> tuple[float, float, float]:
        """Referrals per average customer without reminders, from each class."""
        periods = float(_fresh_periods(self.half_life, self.horizon))
        first, second, third = (share * rate * periods for share, rate in zip(self.shares, self.rates, strict=True))
        return first, second, third

    def reminded(self, spacing: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Reminders a promoter, referrals and cost a customer, for each spacing."""
        whole, rest = np.divmod(self.horizon, spacing)
        at_the_end = (whole > 0) & (rest <= _TIES * spacing)  # up to rounding
        reminders: IntArray = (whole - at_the_end).astype(np.int64)
        periods = np.asarray(_refreshed_periods(self.half_life, self.horizon, spacing))
        with np.errstate(over="ignore", invalid="ignore"):
            promoted = self.shares[0] * self.rates[0] * periods
            cost = self.shares[0] * self.reminder_cost * reminders.astype(np.float64)
            return reminders, promoted + sum(self.by_class()[1:]), cost


def _read(shares: Vector, rates: Vector, half_life: Scalar, horizon: Scalar, ltv: Scalar, cost: Scalar) -> _Terms:
    parts = _three("shares", fraction(shares=shares))
    if abs(math.fsum(parts) - 1) > _TIES:
        raise InvalidValue(f"shares must add up to 1, got {math.fsum(parts):g}; NpsScore.shares does")
    speeds = _three("rates", finite(rates=rates))
    refuse_if(
        speeds[0] < 0, f"rates[0], of promoters, must be >= 0, got {speeds[0]:g}; who warns others is a detractor"
    )
    return _Terms(
        shares=parts,
        rates=speeds,
        half_life=single(at_least(0, open_low=True, half_life=half_life), "half_life"),
        horizon=single(at_least(0, horizon=horizon), "horizon"),
        ltv=single(finite(ltv=ltv), "ltv"),
        reminder_cost=single(at_least(0, reminder_cost=cost), "reminder_cost"),
    )


def _three(name: str, values: Number) -> tuple[float, float, float]:
    if isinstance(values, float) or values.shape != (3,):
        raise InvalidValue(f"{name} must be three numbers: of promoters, passives and detractors")
    first, second, third = values.tolist()
    return first, second, third


def _fresh_periods(half_life: Number, horizon: Number) -> Number:
    """How many periods at the fresh rate bring as much as the horizon does while it fades."""
    with np.errstate(over="ignore"):
        return -expm1(-math.log(2) * np.divide(horizon, half_life)) * half_life / math.log(2)


def _refreshed_periods(half_life: Number, horizon: Number, spacing: Number) -> Number:
    """The same when every ``spacing`` the rate is fresh again."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole, rest = np.divmod(horizon, spacing)
        return whole * _fresh_periods(half_life, spacing) + _fresh_periods(half_life, rest)


def _best(
    terms: _Terms, spacing: IntArray, net_value: FloatArray, cost: FloatArray, never: float
) -> tuple[int | None, str | None]:
    if not spacing.size:
        return None, "no whole period lies within the horizon"
    top = int(np.argmax(net_value))
    gain = float(net_value[top]) - never
    if gain > _TIES * (abs(never) + float(cost[top])):
        return int(spacing[top]), None
    if terms.shares[0] == 0:
        return None, "there are no promoters to remind"
    if terms.rates[0] == 0:
        return None, "promoters bring nobody, so a reminder has nothing to refresh"
    if terms.ltv <= 0:
        return None, f"a referred customer is worth {terms.ltv:,.2f}, so more of them bring nothing"
    spent = float(cost[top])
    return None, (
        f"the best of them, {_every(float(spacing[top]))}, brings {gain + spent:,.2f} a customer and costs {spent:,.2f}"
    )


def _every(spacing: float) -> str:
    return "every period" if spacing == 1 else f"every {spacing:g} periods"


def _finite(value: Number) -> Number:
    """The value, unless it is beyond the largest float."""
    refuse_if(~np.isfinite(value), "the value is beyond the largest float")
    return float(value) if np.ndim(value) == 0 else value
