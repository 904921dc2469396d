"""What a table of channels holds: rows with their verdict, and the comparison of two of them."""

import math
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from retention_metrics._checks import choice
from retention_metrics._frames import Backend, columns_to_frame
from retention_metrics._results import Result
from retention_metrics._stats import Interval, two_sided_z
from retention_metrics.errors import InvalidValue, UndefinedMetric
from retention_metrics.ltv._acquisition import ltv_to_cac
from retention_metrics.ltv._payback import Payback
from retention_metrics.ltv._tails import binomial_limits, binomial_p

Verdict: TypeAlias = Literal["pays", "loses", "unsure", "value unknown"]

_SAID: dict[Verdict, str] = {
    "pays": "it pays",
    "loses": "it loses",
    "unsure": "too few customers to tell",
    "value unknown": "whether it pays depends on what a customer brings",
}


class ChannelRow(BaseModel):
    """One channel or search phrase.

    Attributes:
        channel: Its name.
        spend: Money spent on it.
        customers: Customers that it brought.
        cac: Money per customer, or ``None`` when nobody came.
        interval: Exact Poisson interval of that, or ``None``.
        at_least: When nobody came for the spend: what a customer costs at least, with so much confidence; otherwise
            ``None``.
        first_margin: Margin of the first sale, or ``None`` when it is not known.
        ltv: Lifetime value on margin, or ``None``.
        payback: When a customer has paid for the cost, or ``None`` when cost or margin are not known.
        p_value: Whether it brings customers at another cost than all other channels together, adjusted for the number
            of channels (Holm); ``None`` where there is nothing to compare.
        verdict: ``"pays"`` or ``"loses"`` when the whole interval of the cost lies below or above ``ltv``, otherwise
            ``"unsure"``; ``"value unknown"`` without ``ltv``.
        reason: What is undefined in this row, and why; or ``None``.
        level: Confidence level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channel: str
    spend: float
    customers: int
    cac: float | None
    interval: Interval | None
    at_least: float | None
    first_margin: float | None
    ltv: float | None
    payback: Payback | None
    p_value: float | None
    verdict: Verdict
    reason: str | None
    level: float

    @property
    def first_sale_minus_cac(self) -> float | None:
        """Margin of the first sale less acquisition cost: the wrong comparison, which leaves out all later sales."""
        return None if self.first_margin is None or self.cac is None else self.first_margin - self.cac

    @property
    def ltv_minus_cac(self) -> float | None:
        """Lifetime value less acquisition cost: what a customer brings in the end."""
        return None if self.ltv is None or self.cac is None else self.ltv - self.cac

    @property
    def ltv_to_cac(self) -> float | None:
        """Lifetime value over acquisition cost, or ``None``."""
        return None if self.ltv is None or not self.cac else ltv_to_cac(ltv=self.ltv, cac=self.cac)

    @property
    def statement(self) -> str:
        """What the row says, in plain words, with the wrong comparison beside the right one."""
        sure = f"{100 * self.level:g} % confidence"
        if self.cac is None or self.interval is None:
            said = "too little spent to tell" if self.verdict == "unsure" else _SAID[self.verdict]
            worth = "" if self.ltv is None else f", who would bring {self.ltv:,.2f}: {said}"
            if self.at_least is None:
                return "nothing was spent and nobody came"
            return f"nobody came; at least {_rounded_down(self.at_least)} a customer with {sure}{worth}"
        said = f"a customer costs {self.cac:,.2f} ({self.interval.low:,.2f} to {self.interval.high:,.2f} with {sure})"
        said += "" if self.ltv is None else f" and brings {self.ltv:,.2f}"
        said += f": {_SAID[self.verdict]}"
        if self.first_sale_minus_cac is not None:
            short = "a loss" if self.first_sale_minus_cac < 0 else "a profit"
            said += (
                f"; the first sale alone brings {self.first_margin:,.2f} and would have called it {short} "
                f"({self.first_sale_minus_cac:+,.2f})"
            )
            said += "" if self.ltv_minus_cac is None else f" where the lifetime says {self.ltv_minus_cac:+,.2f}"
        return said


class ChannelComparison(BaseModel):
    """Whether two channels bring customers at different costs.

    Attributes:
        channels: Their names.
        spend: Money spent on each.
        customers: Customers that each brought.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: tuple[str, str]
    spend: tuple[float, float]
    customers: tuple[int, int]

    @property
    def ratio(self) -> float:
        """Customers for each unit of spend through the first channel, over the same through the second one.

        References:
            As for ``interval``.
        """
        if self.customers[1] == 0:
            raise UndefinedMetric("ratio of two channels", f"nobody came through {self.channels[1]}")
        return self.customers[0] / self.spend[0] * self.spend[1] / self.customers[1]

    @property
    def p_value(self) -> float:
        """Two-sided exact p-value of equal costs: given all the customers, they fall in proportion to spend.

        References:
            Przyborowski & Wilenski (1940), *Biometrika* 31, 313-323.
        """
        count, all_ = float(self.customers[0]), float(sum(self.customers))
        share = self.spend[0] / sum(self.spend)
        return float(binomial_p(np.array([count]), np.array([all_]), np.array([share]))[0])

    def interval(self, level: float = 0.95) -> Interval:
        """Exact confidence interval of the ratio; it holds 1 just where ``p_value`` is above 1 - level.

        Args:
            level: Confidence level, between 0 and 1.

        Returns:
            An :class:`~retention_metrics.Interval` of ratios.

        Raises:
            UndefinedMetric: Nobody came through the second channel, so the ratio has no upper limit.
            InvalidValue: The level is not between 0 and 1.

        References:
            Przyborowski & Wilenski (1940), *Biometrika* 31, 313-323; Clopper & Pearson (1934), *Biometrika* 26,
            404-413, for the limits of the share.
        """
        two_sided_z(level)
        if self.customers[1] == 0:
            raise UndefinedMetric("interval of the ratio of two channels", f"nobody came through {self.channels[1]}")
        shares = binomial_limits(self.customers[0], sum(self.customers), (1 - level) / 2)
        low, high = (share / (1 - share) * self.spend[1] / self.spend[0] for share in shares)
        return Interval(low=low, high=high, level=level, method="exact")


class Channels(Result, BaseModel):
    """Channels side by side, one row each, in the order given.

    Attributes:
        rows: One a channel.
        level: Confidence level of intervals, limits and verdicts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rows: tuple[ChannelRow, ...]
    level: float

    def row(self, channel: str) -> ChannelRow:
        """The row of a channel by its name."""
        choice([row.channel for row in self.rows], channel=channel)
        return next(row for row in self.rows if row.channel == channel)

    def compare(self, channel: str, other: str) -> ChannelComparison:
        """Whether two channels bring customers at different costs, by an exact test.

        Choose the two before looking at the table; to look through all of them, read ``p_value`` of the rows, which
        is adjusted for that.

        Args:
            channel: Name of a channel.
            other: Name of another one.

        Returns:
            A :class:`ChannelComparison`: ratio, exact interval and p-value.

        Raises:
            UndefinedMetric: Nothing was spent on one of them, or nobody came through either.
            InvalidValue: An unknown name, or twice the same.

        References:
            Przyborowski & Wilenski (1940), *Biometrika* 31, 313-323.
        """
        one, two = self.row(channel), self.row(other)
        if one is two:
            raise InvalidValue(f"channel and other must be two channels, got {channel!r} twice")
        for each in (one, two):
            if each.spend == 0:
                raise UndefinedMetric("comparison of channels", f"nothing was spent on {each.channel}")
        if one.customers + two.customers == 0:
            raise UndefinedMetric("comparison of channels", "nobody came through either of them")
        return ChannelComparison(
            channels=(one.channel, two.channel),
            spend=(one.spend, two.spend),
            customers=(one.customers, two.customers),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists by name, one element a channel; ``None`` where undefined, and the reason.

        Where nobody came, ``cac_low`` is what a customer costs at least.
        """
        rows = self.rows
        plain = ("first_margin", "first_sale_minus_cac", "ltv", "ltv_minus_cac", "ltv_to_cac")
        return {
            **{name: [getattr(row, name) for row in rows] for name in ("channel", "spend", "customers", "cac")},
            "cac_low": [row.interval.low if row.interval else row.at_least for row in rows],
            "cac_high": [row.interval.high if row.interval else None for row in rows],
            **{name: [getattr(row, name) for row in rows] for name in plain},
            "payback": [row.payback.periods if row.payback else None for row in rows],
            **{name: [getattr(row, name) for row in rows] for name in ("p_value", "verdict", "reason")},
        }

    def to_frame(self, backend: Backend = "pandas") -> Any:
        """One row a channel, as a ``"pandas"``, ``"polars"`` or ``"pyarrow"`` frame."""
        return columns_to_frame(self.to_dict(), backend)

    def __str__(self) -> str:
        """The table as text, one line a channel; below it what each says in plain words."""
        table = self.to_dict()
        shown = {
            "spend": "spend",
            "customers": "customers",
            "cac": "CAC",
            "cac_low": "from",
            "cac_high": "to",
            "first_sale_minus_cac": "1st sale - CAC",
            "ltv_minus_cac": "LTV - CAC",
            "ltv_to_cac": "LTV:CAC",
        }
        cells = [["channel", *shown.values(), "verdict"]]
        for i, row in enumerate(self.rows):
            cells.append([row.channel, *(_figure(table[name][i]) for name in shown), row.verdict])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            f"{line[0]:<{widths[0]}}  "
            + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[1:-1], widths[1:-1], strict=True))
            + f"  {line[-1]}"
            for line in cells
        ]
        return "\n".join([*lines, "", *(f"{row.channel}: {row.statement}" for row in self.rows)])


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _rounded_down(value: float) -> str:
    """Not more than the value: a lower limit must not be rounded up."""
    return f"{math.floor(value):,}" if value >= 10 else f"{math.floor(value * 100) / 100:.2f}"
