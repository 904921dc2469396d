"""What the owner does with the cash: how much of the customers' money is held back, and what is taken out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, TypedDict, Unpack

import numpy as np

from retention_metrics._checks import choice, fraction, single, whole
from retention_metrics._typing import IntArray
from retention_metrics.cashflow._flows import MOST_MONEY, refuse_negative, whole_amounts
from retention_metrics.errors import InvalidValue
from retention_metrics.prepaid._money import minor_units

FINEST = 10**9
"""Largest denominator of a ratio; products of two numbers up to it are exact in 64 bits."""


class PolicyTerms(TypedDict, total=False):
    """What the presets of :class:`FirmPolicy` take: every field but ``reserve_ratio`` and ``take``."""

    opening_cash: int
    fixed_costs: int | Sequence[int] | IntArray
    basis: Literal["liability", "delivery_cost"]
    buffer: int
    payroll_lag: int
    gap_funding: Literal["overdraft", "owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmPolicy:
    r"""How a firm treats the cash that customers paid in advance.

    Each period the cash is measured when everything due has been paid; then the owner takes a part of what is free:

    .. math:: \text{draw} = \lfloor \pi \max(0, \text{low} - \lceil \rho \cdot \text{basis} \rceil - \text{buffer})
        \rfloor

    ``spend_collections`` and ``ring_fence`` are the two ends: whatever is in the till is profit, or nothing is before
    it is worked off. Ratios are exact: a float stands for the decimal that it is printed as, up to nine places, or else
    for the nearest fraction with a denominator up to a billion. So 0.4223 is 4223/10000, and 7 / 15 seven fifteenths.

    Attributes:
        opening_cash: Cash when the first period opens, in minor units; below 0 when overdrawn.
        fixed_costs: Costs of a period that do not depend on sessions, >= 0; one number, or one a period.
        reserve_ratio: Part of the basis that is held back, the ratio rho, from 0 to 1.
        basis: What it is a part of: the ``"liability"``, or the ``"delivery_cost"`` of all sessions outstanding.
        take: Part of the free cash that the owner takes at each close, the ratio pi, from 0 to 1.
        buffer: Cash that is held back besides, >= 0.
        payroll_lag: Periods after which delivery is paid for, >= 0. What is still to be paid is not held back; what the
            firm owes for work before the first period belongs to ``fixed_costs``.
        gap_funding: Where missing cash comes from: an ``"overdraft"``, so that cash goes below 0, or the ``"owner"``,
            who puts in what is missing for good.

    Raises:
        InvalidValue: An argument is out of range.
        InvalidType: Money is no whole number; floats go through ``prepaid.to_minor``.

    Examples:
        >>> FirmPolicy(fixed_costs=200_000, reserve_ratio=0.2).basis
        'liability'
        >>> FirmPolicy.ring_fence(opening_cash=500_000).reserve_ratio
        1.0

    References:
        Directive (EU) 2015/2366, article 10, on safeguarding customers' money; de Finetti (1957) on paying out
        what exceeds a barrier.
    """

    opening_cash: int = 0
    fixed_costs: int | Sequence[int] | IntArray = 0
    reserve_ratio: float = 0.0
    basis: Literal["liability", "delivery_cost"] = "liability"
    take: float = 1.0
    buffer: int = 0
    payroll_lag: int = 0
    gap_funding: Literal["overdraft", "owner"] = "overdraft"

    def __post_init__(self) -> None:
        """Read and check every field; fixed costs by period become a tuple."""
        choice(("liability", "delivery_cost"), basis=self.basis)
        choice(("overdraft", "owner"), gap_funding=self.gap_funding)
        checked = {
            "opening_cash": minor_units(-MOST_MONEY, opening_cash=self.opening_cash),
            "fixed_costs": _fixed_costs(self.fixed_costs),
            "reserve_ratio": single(fraction(reserve_ratio=self.reserve_ratio), "reserve_ratio"),
            "take": single(fraction(take=self.take), "take"),
            "buffer": minor_units(0, buffer=self.buffer),
            "payroll_lag": whole(0, payroll_lag=self.payroll_lag),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def spend_collections(cls, **terms: Unpack[PolicyTerms]) -> "FirmPolicy":
        """The policy of taking out whatever is in the till: ratio 0, take 1.

        Args:
            terms: Any other field of the policy.

        Returns:
            A :class:`FirmPolicy`.
        """
        return cls(reserve_ratio=0, take=1, **terms)

    @classmethod
    def ring_fence(cls, **terms: Unpack[PolicyTerms]) -> "FirmPolicy":
        """The policy of holding customers' money until it is worked off: ratio 1, take 1.

        Args:
            terms: Any other field of the policy.

        Returns:
            A :class:`FirmPolicy`.
        """
        return cls(reserve_ratio=1, take=1, **terms)

    def fixed_by_period(self, periods: int) -> IntArray:
        """Fixed costs as one number a period."""
        if isinstance(self.fixed_costs, int):
            if self.fixed_costs * periods >= MOST_MONEY:
                raise InvalidValue(f"fixed_costs of {periods} periods must add up to less than 2**59 minor units")
            return np.full(periods, self.fixed_costs, np.int64)
        if len(self.fixed_costs) != periods:
            raise InvalidValue(
                f"fixed_costs must be one number or one for each of the {periods} periods, got {len(self.fixed_costs)}"
            )
        return np.array(self.fixed_costs, np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def exact_ratio(x: float) -> Fraction:
    """The fraction that a float from 0 to 1 stands for; a larger float never stands for a smaller fraction."""
    decimals = round(x * FINEST)
    return Fraction(decimals, FINEST) if decimals / FINEST == x else Fraction(x).limit_denominator(FINEST)


def part_rounded_down(ratio: Fraction, amounts: IntArray) -> IntArray:
    """``floor(ratio * amounts)`` of amounts >= 0, exactly and without overflow."""
    return _part(ratio, amounts, 0)


def part_rounded_up(ratio: Fraction, amounts: IntArray) -> IntArray:
    """``ceil(ratio * amounts)`` of amounts >= 0, exactly and without overflow."""
    return _part(ratio, amounts, ratio.denominator - 1)


def _part(ratio: Fraction, amounts: IntArray, added: int) -> IntArray:
    """``(n * amounts + added) // d``: whole multiples of d first, so that no product exceeds d squared."""
    n, d = ratio.numerator, ratio.denominator
    if d == 1:
        return n * amounts
    wholes = amounts // d
    rest = amounts - d * wholes
    parts: IntArray = n * wholes + (n * rest + added) // d
    return parts


def _fixed_costs(given: Any) -> int | tuple[int, ...]:
    if not hasattr(given, "__len__"):
        return minor_units(0, fixed_costs=given)
    amounts = whole_amounts("fixed_costs", given)
    if amounts.ndim != 1:
        raise InvalidValue(f"fixed_costs must be one number, or one for each period, got shape {amounts.shape}")
    refuse_negative("fixed_costs", amounts)
    if sum(amounts.tolist()) >= MOST_MONEY:
        raise InvalidValue("fixed_costs must add up to less than 2**59 minor units")
    return tuple(amounts.tolist())
