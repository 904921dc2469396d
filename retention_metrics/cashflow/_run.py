"""The cash of a firm under a policy, period by period, exact to the last minor unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retention_metrics._checks import freeze
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result, text_table
from retention_metrics._typing import BoolArray, FloatArray, IntArray
from retention_metrics.cashflow._attained import attained
from retention_metrics.cashflow._flows import AMOUNTS, Flows
from retention_metrics.cashflow._policy import FirmPolicy, exact_ratio, part_rounded_down, part_rounded_up
from retention_metrics.errors import InvalidType, InvalidValue

NO_GAP = -1
_SERIES = ("low", "low_conservative", "injections", "draws", "cash")
_AGAINST_DEBT = ("free_cash", "custody_shortfall")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CashRun(Result):
    r"""Cash under a policy: one element a period, or periods x paths as in the flows; all money in whole minor units.

    .. math:: \text{cash}_t = \text{cash}_{t-1} + \text{collections} - \text{commission} - \text{delivery paid}
        - \text{refunds} - \text{fixed} + \text{injections} - \text{draws}

    Attributes:
        flows: The flows it was computed from.
        policy: The policy.
        low: Cash when everything due has been paid and nothing is drawn yet; below 0 it is a gap.
        low_conservative: The same if all payments of the period came before all receipts: the lower bound within it.
        injections: What the owner put in.
        draws: What the owner took out.
        cash: Cash when the period closes.

    References:
        IAS 7, 18, the direct method; cash gap as opening cash plus receipts less payments.
    """

    flows: Flows
    policy: FirmPolicy
    low: IntArray
    low_conservative: IntArray
    injections: IntArray
    draws: IntArray
    cash: IntArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        freeze(self, *_SERIES)

    @property
    def gap(self) -> BoolArray:
        """Whether cash is short in a period: ``low`` below 0."""
        return self.low < 0

    @property
    def first_gap(self) -> int | IntArray | None:
        """The first period with a gap, counted from 0: ``None`` without one, -1 for such a path of many."""
        first = _first(self.gap)
        if self.low.ndim > 1:
            return first
        return None if first == NO_GAP else int(first)

    @property
    def depth(self) -> int | IntArray:
        r"""How far cash falls below 0, at worst; 0 without a gap.

        .. math:: \max(0, -\min_t \text{low}_t)

        References:
            Asmussen & Albrecher (2010), *Ruin Probabilities*, 2nd ed., chapter XII, on the severity of ruin.
        """
        return _plain(np.maximum(-self.low.min(axis=0), 0))

    @property
    def duration(self) -> int | IntArray:
        """Number of periods with a gap."""
        return _plain(self.gap.sum(axis=0))

    @property
    def free_cash(self) -> IntArray:
        r"""Cash at the close that is the firm's own; below 0 when customers' money has been spent.

        .. math:: \text{cash} - \text{liability}

        References:
            IFRS 15, 106.
        """
        free: IntArray = self.cash - _owed(self.flows)
        return free

    @property
    def custody_shortfall(self) -> IntArray:
        r"""How much of the customers' money has been spent at the close.

        .. math:: \max(0, \text{liability} - \text{cash})

        References:
            Safeguarding of customers' money: Directive (EU) 2015/2366, article 10, compares the two in the same way.
        """
        return np.maximum(-self.free_cash, 0)

    @property
    def coverage(self) -> FloatArray:
        r"""How many times cash at the close pays for delivering what is outstanding; NaN where that costs nothing.

        .. math:: \text{cash} / \text{cost outstanding}

        References:
            A coverage ratio in the sense of IAS 7 analysis: cash over the obligations it has to meet.
        """
        cost = self.flows.cost_outstanding
        ratio: FloatArray = np.divide(self.cash, cost, out=np.full(cost.shape, np.nan), where=cost > 0)
        return ratio

    @property
    def payroll_owed(self) -> IntArray:
        """Delivery that has not been paid for at the close, because of the lag of the payroll."""
        owed: IntArray = np.cumsum(self.flows.delivery_cost - _delivery_paid(self.flows, self.policy), axis=0)
        return owed

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; coverage is ``None`` where nothing is outstanding that costs."""
        first = self.first_gap
        return {
            "policy": self.policy.to_dict(),
            "periods": self.flows.names,
            "first_gap": None if first is None else np.asarray(first).tolist(),
            "depth": np.asarray(self.depth).tolist(),
            "duration": np.asarray(self.duration).tolist(),
        } | {name: _listed(values) for name, values in self._columns().items()}

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a period (and path, counted from 0), as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        paths = range(self.flows.paths)
        columns: dict[str, Any] = {"period": [name for name in self.flows.names for _ in paths]}
        if self.low.ndim > 1:
            columns["path"] = list(paths) * self.flows.periods
        return columns_to_frame(columns | {name: each.ravel() for name, each in self._columns().items()}, backend)

    def _columns(self) -> dict[str, Any]:
        columns = {name: getattr(self.flows, name) for name in AMOUNTS} | {
            name: getattr(self, name) for name in _SERIES
        }
        if not _lacks_liability(self.flows):
            columns |= {name: getattr(self, name) for name in _AGAINST_DEBT}
        return columns | {"coverage": self.coverage, "payroll_owed": self.payroll_owed}

    def __str__(self) -> str:
        """One path: its main columns, and the gap. Many: how many are short in each period, and by how much."""
        if self.low.ndim == 1:
            shown = {name: getattr(self.flows, name).tolist() for name in ("collections", "earned", "delivery_cost")}
            shown |= {name: getattr(self, name).tolist() for name in ("low", "draws", "cash")}
            if not _lacks_liability(self.flows):
                shown |= {"liability": self.flows.liability.tolist(), "free_cash": self.free_cash.tolist()}
            return f"{text_table({'period': self.flows.names} | shown)}\n{self._sentence()}"
        columns: dict[str, Any] = {"period": self.flows.names, "paths in gap": self.gap.sum(axis=1).tolist()}
        for level in (0.05, 0.5, 0.95):
            columns[f"low {level:.0%}"] = attained(self.low, level).tolist()
        columns["cash 50%"] = attained(self.cash, 0.5).tolist()
        return f"{text_table(columns)}\n{int(self.gap.any(axis=0).sum()):,} of {self.flows.paths:,} paths have a gap."

    def _sentence(self) -> str:
        first = self.first_gap
        if first is None:
            return "No gap."
        return (
            f"A gap from period {self.flows.names[int(first)]} on, in {self.duration} of {self.flows.periods} periods, "
            f"{self.depth:,} deep."
        )


@dataclass(frozen=True, slots=True, eq=False)
class PathScalars:
    """What is kept of each path of a simulation; one element a path.

    Attributes:
        lowest: The smallest cash before a draw, over all periods.
        first_gap: The first period with a gap, counted from 0; -1 without one.
        duration: Number of periods with a gap.
        closing: Cash at the end.
        drawn: What the owner took out in all.
        injected: What the owner put in in all.
    """

    lowest: IntArray
    first_gap: IntArray
    duration: IntArray
    closing: IntArray
    drawn: IntArray
    injected: IntArray

    @property
    def depth(self) -> IntArray:
        """How far cash falls below 0, at worst; 0 without a gap."""
        return np.maximum(-self.lowest, 0)

    @property
    def gaps(self) -> int:
        """Number of paths with a gap."""
        return int((self.lowest < 0).sum())

    @classmethod
    def joined(cls, parts: "Sequence[PathScalars]") -> "PathScalars":
        """The paths of several runs one after another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))


def run_policy(flows: Flows, policy: FirmPolicy) -> CashRun:
    r"""The cash of a firm under a policy, with its gaps: when, how deep, how long.

    Each period, in this order: sales and their commission, delivery (now or ``payroll_lag`` later), refunds, fixed
    costs; then the cash is measured (``low``); then the owner fills a gap, or takes a part of what is free; then the
    period closes.

    .. math::
        \text{low}_t &= \text{cash}_{t-1} + \text{collections}_t - \text{commission}_t - \text{delivery paid}_t
            - \text{refunds}_t - \text{fixed}_t \\
        \text{draw}_t &= \lfloor \pi \max(0, \text{low}_t - \lceil \rho \cdot \text{basis}_t \rceil - \text{buffer})
            \rfloor

    At ``reserve_ratio=1``, with a session never costing more than its share of the price and paid at once, no fixed
    costs, no commission and an opening cash >= 0 before anything is owed, cash is never below what is owed, whatever
    customers do. On any path, holding more back, a larger buffer or a larger opening cash never lower ``low``; taking
    more, or paying more, never raises it. The speed at which customers come back has no such order.

    Args:
        flows: What came in, was worked off and went out, such as :meth:`Flows.of_ledger`.
        policy: What the firm does with the cash.

    Returns:
        A :class:`CashRun`.

    Raises:
        InvalidValue: Fixed costs of another length, or a reserve of what the flows do not have.
        InvalidType: Something else than flows and a policy.

    Examples:
        >>> flows = Flows(
        ...     collections=[3000, 3000, 3000, 0, 0, 0],
        ...     earned=[500, 750, 1000, 1500, 2000, 2500],
        ...     delivery_cost=[200, 300, 400, 600, 800, 1000],
        ...     liability=[2500, 4750, 6750, 5250, 3250, 750],
        ... )
        >>> print(run_policy(flows, FirmPolicy.spend_collections(fixed_costs=150)))
        period  collections  earned  delivery_cost     low  draws    cash  liability  free_cash
             1        3,000     500            200   2,650  2,650       0      2,500     -2,500
             2        3,000     750            300   2,550  2,550       0      4,750     -4,750
             3        3,000   1,000            400   2,450  2,450       0      6,750     -6,750
             4            0   1,500            600    -750      0    -750      5,250     -6,000
             5            0   2,000            800  -1,700      0  -1,700      3,250     -4,950
             6            0   2,500          1,000  -2,850      0  -2,850        750     -3,600
        A gap from period 4 on, in 3 of 6 periods, 2,850 deep.
        >>> run_policy(flows, FirmPolicy(fixed_costs=150, reserve_ratio=0.5)).depth
        0

    References:
        Asmussen & Albrecher (2010), *Ruin Probabilities*, 2nd ed., chapter VIII, on reserves with payments above a
        barrier; IFRS 15, 106, on what is owed.
    """
    refuse_others(flows, policy)
    shape = flows.collections.shape
    low, cash = _march(net_flow(flows, policy), _held_back(flows, policy), policy)
    before = np.concatenate([np.full_like(cash[:1], policy.opening_cash), cash[:-1]])
    injections = np.maximum(-low, 0) if policy.gap_funding == "owner" else np.zeros_like(low)
    return CashRun(
        flows=flows,
        policy=policy,
        low=low.reshape(shape),
        low_conservative=before.reshape(shape) - _outflow(flows, policy),
        injections=injections.reshape(shape),
        draws=(low + injections - cash).reshape(shape),
        cash=cash.reshape(shape),
    )


def run_scalars(flows: Flows, policy: FirmPolicy) -> PathScalars:
    """The same as :func:`run_policy`, keeping one number a path of each kind, for simulations of many paths.

    Args:
        flows: Flows of shape ``(periods, paths)``, or of one path.
        policy: What the firm does with the cash.

    Returns:
        :class:`PathScalars`.

    Raises:
        InvalidValue: Fixed costs of another length, or a reserve of what the flows do not have.
        InvalidType: Something else than flows and a policy.

    References:
        Asmussen & Albrecher (2010), *Ruin Probabilities*, 2nd ed., chapter VIII.
    """
    refuse_others(flows, policy)
    net = net_flow(flows, policy)
    received = policy.opening_cash + net.sum(axis=0)
    low, cash = _march(net, _held_back(flows, policy), policy)
    gap = low < 0
    injected = -np.minimum(low, 0).sum(axis=0) if policy.gap_funding == "owner" else np.zeros_like(received)
    return PathScalars(
        lowest=low.min(axis=0),
        first_gap=_first(gap),
        duration=gap.sum(axis=0),
        closing=cash[-1].copy(),
        drawn=received + injected - cash[-1],
        injected=injected,
    )


def net_flow(flows: Flows, policy: FirmPolicy) -> IntArray:
    """Receipts less payments of shape (periods, paths), before any draw."""
    net: IntArray = flows.collections - _outflow(flows, policy)
    return net.reshape(flows.periods, flows.paths)


def refuse_others(flows: object, policy: object) -> None:
    """Refuse what is neither flows nor a policy."""
    if not isinstance(flows, Flows):
        raise InvalidType(f"flows must be Flows, got {type(flows).__name__}; of a ledger: Flows.of_ledger(ledger)")
    if not isinstance(policy, FirmPolicy):
        raise InvalidType(f"policy must be a FirmPolicy, got {type(policy).__name__}")


def _outflow(flows: Flows, policy: FirmPolicy) -> IntArray:
    out: IntArray = flows.commission + _delivery_paid(flows, policy)
    out += flows.refunds_paid
    if policy.fixed_costs != 0:
        out += policy.fixed_by_period(flows.periods).reshape(-1, *[1] * (out.ndim - 1))
    return out


def _delivery_paid(flows: Flows, policy: FirmPolicy) -> IntArray:
    delivered, lag = flows.delivery_cost, policy.payroll_lag
    if lag == 0:
        return delivered
    paid = np.zeros_like(delivered)
    paid[lag:] = delivered[:-lag]
    return paid


def _held_back(flows: Flows, policy: FirmPolicy) -> IntArray:
    """Reserve and buffer, of shape (periods, paths)."""
    ratio, shape = exact_ratio(policy.reserve_ratio), (flows.periods, flows.paths)
    if ratio == 0 or policy.take == 0:
        return np.broadcast_to(np.int64(policy.buffer), shape)
    basis = _owed(flows) if policy.basis == "liability" else _cost_outstanding(flows)
    return part_rounded_up(ratio, basis.reshape(shape)) + policy.buffer


def _owed(flows: Flows) -> IntArray:
    """The liability; refused when it was left out."""
    if _lacks_liability(flows):
        raise InvalidValue(
            "flows has no liability, yet more is collected than earned and given back; pass Flows(liability=...), what "
            "is owed at the end of each period"
        )
    return flows.liability


def _lacks_liability(flows: Flows) -> bool:
    """Whether nothing is said to be owed although collections say that something must be."""
    if flows.liability.any():
        return False
    settled = flows.earned + flows.breakage + flows.refunds_paid + flows.refund_fees
    return bool((np.cumsum(flows.collections - settled, axis=0) > 0).any())


def _cost_outstanding(flows: Flows) -> IntArray:
    """The cost of the sessions outstanding; refused when it was left out."""
    if not flows.cost_outstanding.any() and flows.delivery_cost.any() and _owed(flows).any():
        raise InvalidValue(
            "flows has no cost_outstanding, yet sessions that cost are owed; pass Flows(cost_outstanding=...), what "
            "delivering the sessions left at the end of each period will cost, or hold back a part of the liability"
        )
    return flows.cost_outstanding


def _march(net: IntArray, held: IntArray, policy: FirmPolicy) -> tuple[IntArray, IntArray]:
    """Cash before and after the draw, by period and path; ``net`` is overwritten."""
    take, owner = exact_ratio(policy.take), policy.gap_funding == "owner"
    closed = np.empty_like(net)
    before: IntArray | int = policy.opening_cash
    for low, cash, kept in zip(net, closed, held, strict=True):
        np.add(low, before, out=low)
        funded = np.maximum(low, 0, out=cash) if owner else low
        if take == 1:
            np.minimum(funded, kept, out=cash)
        else:
            np.subtract(funded, part_rounded_down(take, np.maximum(funded - kept, 0)), out=cash)
        before = cash
    return net, closed


def _first(gap: BoolArray) -> IntArray:
    first: IntArray = np.where(gap.any(axis=0), gap.argmax(axis=0), NO_GAP)
    return first


def _plain(values: IntArray) -> int | IntArray:
    return int(values) if values.ndim == 0 else values


def _listed(values: Any) -> Any:
    listed = values.astype(object)
    listed[values != values] = None
    return listed.tolist()
