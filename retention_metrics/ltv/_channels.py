"""Channels side by side: what a customer costs and brings, how sure that is, and what to do about it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import at_least, finite, fraction, refuse_if, single
from retention_metrics._stats import Interval, holm, two_sided_z
from retention_metrics._typing import FloatArray
from retention_metrics.errors import InvalidType, InvalidValue, MissingColumn, UndefinedMetric
from retention_metrics.ltv._acquisition import acquisition_cost
from retention_metrics.ltv._channel_rows import ChannelRow, Channels, Verdict
from retention_metrics.ltv._payback import Payback, payback
from retention_metrics.ltv._tails import binomial_p, poisson_high, poisson_limits
from retention_metrics.ltv._value import lifetime_value

_COUNTED = 2**53  # beyond it float64 skips whole numbers


def channels(table: Any, *, by: str = "channel", level: float = 0.95) -> Channels:
    r"""Channels or search phrases side by side: cost of a customer with its uncertainty, worth, payback and verdict.

    .. math:: \text{CAC} = \frac{\text{spend}}{N}, \qquad
        \Big[ \frac{\text{spend}}{\lambda_{high}}, \frac{\text{spend}}{\lambda_{low}} \Big], \qquad
        P(X \ge N; \lambda_{low}) = P(X \le N; \lambda_{high}) = \alpha / 2

    Customers come one by one, so their number is taken as Poisson and its limits are exact. When nobody came there is
    no CAC, but a one-sided limit: 100 spent for nobody says "at least 33 a customer with 95 % confidence". The verdict
    sets the limits of the cost against lifetime value, which is taken as given. The comparison that leads astray, first
    sale against cost, stands beside it.

    Args:
        table: Columns of equal length, as a dict or a dataframe, one row a channel: ``channel``, ``spend`` (>= 0) and
            ``customers`` (whole numbers); and where they are known ``first_margin`` (margin of the first sale), ``ltv``
            (on margin), ``margin`` (per customer and period) and ``churn`` (per the same period), ``None`` where not.
            Without ``ltv`` it is margin over churn; payback is of ``margin``, with ``churn`` if given. Other columns
            are left alone.
        by: Name of the column of names.
        level: Confidence level of intervals, limits and verdicts, between 0 and 1.

    Returns:
        A :class:`Channels` table; what is undefined is ``None``, with a reason in its row.

    Raises:
        MissingColumn: ``table`` has no column of names, spend or customers.
        InvalidValue: Spend is negative, customers are not whole, churn is outside 0 to 1, a name occurs twice, or
            columns differ in length.
        InvalidType: ``table`` is neither a dict nor a dataframe, or a value is not a plain number.

    Examples:
        >>> phrases = {"phrase": ["for a house", "for a fence"], "spend": [100, 50], "customers": [0, 5]}
        >>> found = channels({**phrases, "first_margin": [8, 8], "ltv": [24, 24]}, by="phrase")
        >>> print(found)
        channel       spend  customers    CAC   from     to  1st sale - CAC  LTV - CAC  LTV:CAC  verdict
        for a house  100.00          0      -  33.38      -               -          -        -  loses
        for a fence   50.00          5  10.00   4.29  30.80           -2.00      14.00     2.40  unsure
        <BLANKLINE>
        for a house: nobody came; at least 33 a customer with 95 % confidence, who would bring 24.00: it loses
        for a fence: a customer costs 10.00 (4.29 to 30.80 with 95 % confidence) and brings 24.00: too few customers
        to tell; the first sale alone brings 8.00 and would have called it a loss (-2.00) where the lifetime says +14.00
        >>> round(found.compare("for a house", "for a fence").p_value, 4)
        0.0082

    References:
        Garwood (1936), *Biometrika* 28, 437-442, for the limits; Przyborowski & Wilenski (1940), *Biometrika* 31,
        313-323, for the comparison; Holm (1979), *Scandinavian Journal of Statistics* 6, 65-70; Farris et al. (2010),
        *Marketing Metrics*, 2nd ed., chapter 5.
    """
    two_sided_z(level)
    columns = _columns(table)
    names = _names(_column(columns, by), by)
    spend = _numbers(columns, "spend", len(names))
    counts = _numbers(columns, "customers", len(names))
    low, high = poisson_limits(counts, level)
    costs = acquisition_cost(spend=spend, customers=counts, undefined="nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        limits = spend / high, spend / low
    least = spend / poisson_high(np.zeros(1), 1 - level)
    p_values = _against_the_rest(spend, counts)
    known = {name: _optional(columns, name, len(names)) for name in ("first_margin", "ltv", "margin", "churn")}
    rows = []
    for i, name in enumerate(names):
        paid, came, margin, churn = float(spend[i]), int(counts[i]), known["margin"][i], known["churn"][i]
        ltv, why = _worth(known["ltv"][i], margin, churn)
        cac, interval, bound = None, None, None
        if came:
            cac = float(costs[i])
            interval = Interval(low=float(limits[0][i]), high=float(limits[1][i]), level=level, method="exact")
        else:
            bound = float(least[i]) if paid else None
            why = [f"no CAC: nobody came for {paid:,.2f}", *why]
        rows.append(
            ChannelRow(
                channel=name,
                spend=paid,
                customers=came,
                cac=cac,
                interval=interval,
                at_least=bound,
                first_margin=known["first_margin"][i],
                ltv=ltv,
                payback=_payback(cac, ltv, margin, churn),
                p_value=p_values[i],
                verdict=_verdict(ltv, interval, bound),
                reason="; ".join(why) or None,
                level=level,
            )
        )
    return Channels(rows=tuple(rows), level=level)


def _worth(ltv: float | None, margin: float | None, churn: float | None) -> tuple[float | None, list[str]]:
    """Lifetime value as given, or margin over churn, or why there is none."""
    if ltv is not None:
        return ltv, []
    if margin is None or churn is None:
        return None, ["no ltv, nor margin and churn to make it of"]
    try:
        return lifetime_value(margin=margin, churn=churn), []
    except UndefinedMetric as error:
        return None, [f"no ltv: {error.reason}"]


def _payback(cac: float | None, ltv: float | None, margin: float | None, churn: float | None) -> Payback | None:
    if cac is None or margin is None:
        return None
    if ltv is not None and cac > ltv:
        return Payback(
            periods=None, exact_periods=None, reason=f"a customer brings {ltv:,.4g} in all and costs {cac:,.4g}"
        )
    return payback(cac=cac, margin=margin, churn=churn or 0.0)


def _verdict(ltv: float | None, interval: Interval | None, at_least: float | None) -> Verdict:
    low, high = (interval.low, interval.high) if interval else (at_least or 0.0, math.inf)
    if ltv is None:
        return "value unknown"
    if high < ltv:
        return "pays"
    return "loses" if low > ltv else "unsure"


def _against_the_rest(spend: FloatArray, counts: FloatArray) -> list[float | None]:
    """Holm's p-values of each channel against all others together, None where there is nothing to compare."""
    total, everybody = spend.sum(), counts.sum()
    usable = (spend > 0) & (spend < total) & (everybody > 0)
    if not usable.any():
        return [None] * spend.size
    count = counts[usable]
    raw = binomial_p(count, np.full(count.size, everybody), spend[usable] / total)
    adjusted = np.full(spend.size, np.nan)
    adjusted[usable] = holm(raw)
    return [None if p != p else p for p in adjusted.tolist()]


def _columns(table: Any) -> Mapping[str, Sequence[Any]]:
    if isinstance(table, Mapping):
        return table
    try:
        frame = nw.from_native(table)
    except TypeError:
        raise InvalidType(
            f"table must be a dict of columns or a dataframe, got {type(table).__name__}; "
            'one of columns is {"channel": [...], "spend": [...], "customers": [...]}'
        ) from None
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    nulls = {name: eager[name].is_null().to_list() for name in eager.columns}
    return {
        name: [None if null else value for value, null in zip(eager[name].to_list(), nulls[name], strict=True)]
        for name in eager.columns
    }


def _column(columns: Mapping[str, Sequence[Any]], name: str) -> Sequence[Any]:
    if name not in columns:
        raise MissingColumn(f"table has no column {name!r}; it has {', '.join(map(repr, columns)) or 'none'}")
    return columns[name]


def _names(values: Any, by: str) -> list[str]:
    names = _listed(by, values)
    if not names:
        raise InvalidValue("table is empty; pass at least one channel")
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise InvalidType(f"{by}[{i}] must be a name, got {name!r}")
        if name in seen:
            raise InvalidValue(f"{by}[{i}] is {name!r} for the second time; add up the rows of each {by} first")
        seen.add(name)
    return names


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise InvalidType(f"{name} must be a column, one element a channel, got {values!r}")
    return list(values)


def _numbers(columns: Mapping[str, Sequence[Any]], name: str, size: int) -> FloatArray:
    numbers = np.atleast_1d(at_least(0, open_low=False, **{name: _column(columns, name)}))
    if numbers.shape != (size,):
        raise InvalidValue(f"{name} must be one number a channel, got {numbers.size} for {size}")
    if name == "customers":
        refuse_if((numbers % 1 != 0) | (numbers > _COUNTED), "customers must be whole numbers of people")
    return numbers


def _optional(columns: Mapping[str, Sequence[Any]], name: str, size: int) -> list[float | None]:
    """A column of numbers that may be missing, as a whole or in some rows."""
    if name not in columns:
        return [None] * size
    values = _listed(name, columns[name])
    if len(values) != size:
        raise InvalidValue(f"{name} must be one number or None a channel, got {len(values)} for {size}")
    checked: list[float | None] = []
    for i, value in enumerate(values):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            checked.append(None)
            continue
        argument = {f"{name}[{i}]": value}
        checked.append(single(fraction(**argument) if name == "churn" else finite(**argument), name))
    return checked
