"""Lists of customers by their own rhythm: who is lost, who is at risk, who has returned."""

import datetime as dt
import warnings
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from retention_metrics._checks import at_least, choice, single, whole
from retention_metrics.churn import ShortWindowWarning
from retention_metrics.churn._flow import FEWEST_CYCLES, warn_of_few
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._engines import Frame, as_date, close_frame, with_previous
from retention_metrics.logs._flow import cycle_of, purchase_days
from retention_metrics.logs._rows import Log, warn_of

Dated: TypeAlias = Literal["cut_off", "last_purchase", "detection"]


def lost(log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, dated: Dated) -> Any:
    """See :meth:`Transactions.lost`."""
    choice(("cut_off", "last_purchase", "detection"), dated=dated)
    customers, until = _customers(log, as_of, lost_after, cycles, "lost")
    day = {"cut_off": nw.col("cut_off"), "last_purchase": nw.col("last"), "detection": nw.lit(until.toordinal())}[dated]
    gone = customers.filter(nw.col("cut_off") <= until.toordinal()).with_columns(lost_day=day.cast(nw.Int64))
    return close_frame(_shown(gone, "lost_day"), eager=log.eager)


def at_risk(log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, risk_cycles: float) -> Any:
    """See :meth:`Transactions.at_risk`."""
    early = single(at_least(0, open_low=True, risk_cycles=risk_cycles), "risk_cycles")
    single(at_least(0, open_low=True, cycles=cycles), "cycles")
    if early >= cycles:
        raise InvalidValue(f"risk_cycles must be below cycles, got {early:g} and {cycles:g}")
    customers, until = _customers(log, as_of, lost_after, cycles, "at_risk")
    quiet = nw.col("days_since") > nw.col("limit") * (early / cycles)
    still = customers.filter((nw.col("cut_off") > until.toordinal()) & quiet)
    return close_frame(_shown(still.with_columns(lost_day=nw.col("cut_off")), "lost_day"), eager=log.eager)


def returned(log: Log, as_of: dt.date | str, within: int, lost_after: int | None, cycles: float) -> Any:
    """See :meth:`Transactions.returned`."""
    window = whole(1, within=within)
    days, excluded, until = purchase_days(log, as_of)
    warn_of(excluded, "returned")
    cycle = _cycle(days, until, lost_after, cycles)
    gap = nw.col("day") - nw.col("previous")
    steps = with_previous(days, within="customer", order="day").filter(~nw.col("previous").is_null())
    steps = steps.with_columns(away=gap.cast(nw.Int64)).filter(nw.col("day") > until.toordinal() - window)
    whole_life = _lives(days).rename({"last": "newest"})
    steps = steps.join(whole_life, on="customer")
    # The rhythm before the absence: without it, and with one gap of the length that customers in general take.
    span = (nw.col("newest") - nw.col("first") - nw.col("away")).cast(nw.Float64)
    limit = nw.lit(float(lost_after)) if lost_after is not None else cycles * (span + cycle) / (nw.col("purchases") - 1)
    back = steps.with_columns(limit=limit).filter(nw.col("away") > nw.col("limit"))
    latest = back.group_by("customer").agg(nw.col("day").max())
    back = back.join(latest, on=["customer", "day"]).with_columns(
        returned_on=as_date(back, nw.col("day").cast(nw.Int64)),
        purchases=nw.col("purchases").cast(nw.Int64),
    )
    shown = back.rename({"away": "days_away"}).select("customer", "returned_on", "days_away", "purchases")
    return close_frame(shown, eager=log.eager)


def _customers(
    log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, question: str
) -> tuple[Frame, dt.date]:
    """Each customer with rhythm, cut-off day and days since the last purchase."""
    days, excluded, until = purchase_days(log, as_of)
    warn_of(excluded, question)
    cycle = _cycle(days, until, lost_after, cycles)
    lives = _lives(days).with_columns(purchases=nw.col("purchases").cast(nw.Int64))
    span = (nw.col("last") - nw.col("first")).cast(nw.Float64)
    lives = lives.with_columns(rhythm=(span + cycle) / nw.col("purchases"))
    limit = nw.lit(float(lost_after)) if lost_after is not None else cycles * nw.col("rhythm")
    lives = lives.with_columns(limit=limit, days_since=(until.toordinal() - nw.col("last")).cast(nw.Int64))
    # Lost on the first whole day that is more than the limit after the last purchase.
    return lives.with_columns(cut_off=(nw.col("last") + nw.col("limit").floor() + 1).cast(nw.Int64)), until


def _cycle(days: Frame, until: dt.date, lost_after: int | None, cycles: float) -> float:
    """Days between purchases of customers in general; warns of a rule that calls them lost too soon."""
    cycle = cycle_of(days, until).days
    if lost_after is None:
        warn_of_few(cycles, stacklevel=6)
    elif whole(0, lost_after=lost_after) < FEWEST_CYCLES * cycle:
        warnings.warn(
            f"lost_after is {lost_after} days, and customers take {cycle:g} from one purchase to the next: fewer than "
            f"{FEWEST_CYCLES} cycles ({FEWEST_CYCLES * cycle:g} days) call many lost who will be back",
            ShortWindowWarning,
            stacklevel=5,
        )
    return cycle


def _lives(days: Frame) -> Frame:
    return days.group_by("customer").agg(
        nw.len().alias("purchases"), nw.col("day").min().alias("first"), nw.col("day").max().alias("last")
    )


def _shown(customers: Frame, day: str) -> Frame:
    dates = customers.with_columns(
        last_purchase=as_date(customers, nw.col("last").cast(nw.Int64)), lost_on=as_date(customers, nw.col(day))
    )
    return dates.select("customer", "last_purchase", "days_since", "purchases", "rhythm", "lost_on")
