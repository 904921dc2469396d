"""The waterfall of recurring revenue: from one total to the next, to the cent."""

import sys
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import at_least, finite, single
from retention_metrics._results import Readable
from retention_metrics.errors import InvalidValue
from retention_metrics.revenue._definitions import Definitions, definitions
from retention_metrics.revenue._rates import (
    GrossChurn,
    NetChurn,
    gross_churn,
    gross_retention,
    net_churn,
    net_retention,
    quick_ratio,
)

GAINS = ("new", "reactivation", "expansion")
LOSSES = ("contraction", "churn")
SIGNED = ("transfer", "revaluation")


class Waterfall(Readable, BaseModel):
    """Recurring revenue from the start of a period to its end: start + gains - losses + the rest = end, to the cent.

    A waterfall that does not close cannot be made. Transfers (revenue that moved with a merged account) and revaluation
    (what the exchange rate did) are no gains and no losses: rates are over ``base``, the revenue that there was to
    keep once transfers are made.

    Attributes:
        start: Recurring revenue when the period opened.
        new: Revenue from customers who were never there before.
        reactivation: Revenue from customers who had left and came back.
        expansion: Revenue gained from customers who were there.
        contraction: Revenue lost from customers who stayed and pay less.
        churn: Revenue lost from customers who left.
        transfer: Revenue that came in (or, below 0, went out) with transferred accounts.
        revaluation: What the change of exchange rates added (or, below 0, took).
        end: Recurring revenue when the period closed.

    References:
        ChartMogul, *Data Table and MRR Movements*; Stripe Billing, *Metric definitions*, MRR growth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    start: float
    new: float
    reactivation: float = 0.0
    expansion: float
    contraction: float
    churn: float
    transfer: float = 0.0
    revaluation: float = 0.0
    end: float

    def model_post_init(self, _context: object) -> None:
        """Refuse amounts below zero, and a waterfall that does not close."""
        _refuse_open(self.model_dump())

    @property
    def base(self) -> float:
        """The revenue that there was to keep: start + transfer."""
        return max(self.start + self.transfer, 0.0)

    @property
    def net_new(self) -> float:
        """All gains less all losses."""
        return self.new + self.reactivation + self.expansion - self.contraction - self.churn

    @property
    def gross_retention(self) -> float:
        """See :func:`gross_retention`."""
        return gross_retention(start=self.base, contraction=self.contraction, churn=self.churn)

    def net_retention(self, *, count_reactivation: bool = False) -> float:
        """See :func:`net_retention`; whether customers who came back count."""
        return net_retention(
            start=self.base,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation if count_reactivation else 0.0,
        )

    def gross_churn(self, definition: GrossChurn = "chartmogul") -> float:
        """See :func:`gross_churn`."""
        return gross_churn(start=self.base, contraction=self.contraction, churn=self.churn, definition=definition)

    def net_churn(self, definition: NetChurn = "baremetrics") -> float:
        """See :func:`net_churn`."""
        return net_churn(
            start=self.base,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation,
            definition=definition,
        )

    def quick_ratio(self, *, count_reactivation: bool = False) -> float:
        """See :func:`quick_ratio`; whether customers who came back count."""
        return quick_ratio(
            new=self.new,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation if count_reactivation else 0.0,
        )

    def definitions(self, *, customers: int | None = None, customers_lost: int | None = None) -> Definitions:
        """Every named rate of this book, side by side; see :func:`definitions`."""
        return definitions(
            start=self.base,
            new=self.new,
            expansion=self.expansion,
            contraction=self.contraction,
            churn=self.churn,
            reactivation=self.reactivation,
            customers=customers,
            customers_lost=customers_lost,
        )

    def __str__(self) -> str:
        return "\n".join(f"{sign} {name:<14}{amount:>16,.2f}" for sign, name, amount in lines_of(self))


def waterfall(
    *,
    start: float,
    new: float,
    expansion: float,
    contraction: float,
    churn: float,
    end: float,
    reactivation: float = 0.0,
    transfer: float = 0.0,
    revaluation: float = 0.0,
) -> Waterfall:
    r"""The waterfall of a period from the totals of a ledger or a vendor's report, refused when it does not close.

    .. math:: \text{start} + \text{new} + \text{reactivation} + \text{expansion} - \text{contraction} - \text{churn}
        + \text{transfer} + \text{revaluation} = \text{end}

    Args:
        start: Recurring revenue when the period opened, >= 0.
        new: Revenue from customers who were never there before, >= 0.
        expansion: Revenue gained from customers who were there, >= 0.
        contraction: Revenue lost from customers who stayed and pay less, >= 0: a loss is a positive number here.
        churn: Revenue lost from customers who left, >= 0.
        end: Recurring revenue when the period closed, >= 0.
        reactivation: Revenue from customers who came back, >= 0.
        transfer: Revenue of accounts that were transferred in, below 0 out.
        revaluation: What the change of exchange rates added, below 0 took.

    Returns:
        A :class:`Waterfall` with its rates.

    Raises:
        InvalidValue: The waterfall does not close to the cent, or an amount is negative.
        InvalidType: A value is not a plain number.

    Examples:
        >>> month = waterfall(start=400, new=60, reactivation=40, expansion=30, contraction=30, churn=50, end=450)
        >>> month.gross_retention, month.net_retention(), month.quick_ratio()
        (0.8, 0.875, 1.125)
        >>> waterfall(start=400, new=60, expansion=30, contraction=30, churn=50, end=450)
        Traceback (most recent call last):
        ...
        retention_metrics.errors.InvalidValue: the waterfall does not close: 400.00 + new 60.00 + expansion 30.00 -
        contraction 30.00 - churn 50.00 is 410.00, and end is 450.00: 40.00 is not explained

    References:
        ChartMogul, *Data Table and MRR Movements*; Stripe Billing, *Metric definitions*, MRR growth.
    """
    given = {
        "start": start,
        "new": new,
        "reactivation": reactivation,
        "expansion": expansion,
        "contraction": contraction,
        "churn": churn,
        "transfer": transfer,
        "revaluation": revaluation,
        "end": end,
    }
    terms = {}
    for name, value in given.items():
        check = finite(**{name: value}) if name in SIGNED else at_least(0, open_low=False, **{name: value})
        terms[name] = single(check, name)
    _refuse_open(terms)
    return Waterfall(**terms)


def lines_of(book: Waterfall) -> list[tuple[str, str, float]]:
    """Sign, name and amount of the lines of a printed waterfall, without transfers and revaluation that are not."""
    lines = [(" ", "start", book.start)]
    lines += [("+", name, getattr(book, name)) for name in GAINS]
    lines += [("-", name, getattr(book, name)) for name in LOSSES]
    for name in SIGNED:
        amount = getattr(book, name)
        lines += [("-" if amount < 0 else "+", name, abs(amount))] if amount else []
    return [*lines, ("=", "end", book.end)]


def cent(*totals: float) -> float:
    """What sums of money may differ by: half a cent, and what float64 cannot tell in large sums."""
    return 0.005 + 8 * sys.float_info.epsilon * sum(map(abs, totals))


def _refuse_open(terms: Mapping[str, float]) -> None:
    for name, amount in terms.items():
        if name not in SIGNED:
            at_least(0, open_low=False, **{name: amount})
    if terms["start"] + terms["transfer"] < -cent(terms["start"]):
        raise InvalidValue(f"transfer takes {-terms['transfer']:,.2f} away, and start is {terms['start']:,.2f}")
    signs = {name: -1 if name in LOSSES else 1 for name in (*GAINS, *LOSSES, *SIGNED)}
    reached = terms["start"] + sum(sign * terms[name] for name, sign in signs.items())
    missing = terms["end"] - reached
    if abs(missing) > cent(*terms.values()):
        sums = "".join(
            f" {'-' if sign * terms[name] < 0 else '+'} {name} {abs(terms[name]):,.2f}"
            for name, sign in signs.items()
            if terms[name]
        )
        raise InvalidValue(
            f"the waterfall does not close: {terms['start']:,.2f}{sums} is {reached:,.2f}, and end is "
            f"{terms['end']:,.2f}: {missing:,.2f} is not explained"
        )
