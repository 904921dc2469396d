"""Lists of customers by their own rhythm: who is lost, who is at risk, who has returned."""

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw

from retention_metrics._checks import at_least, choice, single, whole
from retention_metrics.churn._flow import DATED, Dated, warn_of_few
from retention_metrics.errors import InvalidValue
from retention_metrics.logs._days import purchase_days, with_steps
from retention_metrics.logs._engines import Frame, as_date, close_frame
from retention_metrics.logs._flow import cycle_of, warn_of_short_window
from retention_metrics.logs._rows import Log, warn_of
from retention_metrics.logs._segments import group_of

_DAYS_IN_A_MONTH = 365.25 / 12


def lost(log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, dated: Dated, by: Any) -> Any:
    """See :meth:`Transactions.lost`."""
    choice(DATED, dated=dated)
    customers, until = _customers(log, as_of, lost_after, cycles, by, "lost")
    day = {"cut_off": nw.col("cut_off"), "last_purchase": nw.col("last"), "detection": nw.lit(until.toordinal())}[dated]
    gone = customers.filter(nw.col("cut_off") <= until.toordinal()).with_columns(lost_day=day.cast(nw.Int64))
    return close_frame(_shown(gone, by), eager=log.eager)


def win_back_candidates(log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, by: Any) -> Any:
    """See :meth:`Transactions.win_back_candidates`."""
    if not log.paid:
        raise InvalidValue("win_back_candidates needs the amounts of the log: name their column with amount=")
    customers, until = _customers(log, as_of, lost_after, cycles, by, "win_back_candidates")
    gone = customers.filter(nw.col("cut_off") <= until.toordinal()).with_columns(lost_day=nw.col("cut_off"))
    # Rhythm times purchases is the time for which the customer came, with one gap beyond the last purchase.
    time = nw.col("rhythm") * nw.col("purchases")
    gone = gone.with_columns(amount_per_month=nw.col("amount") / time * _DAYS_IN_A_MONTH)
    return close_frame(_shown(gone, by, "amount", "amount_per_month"), eager=log.eager)


def at_risk(log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, risk_cycles: float, by: Any) -> Any:
    """See :meth:`Transactions.at_risk`."""
    early = single(at_least(0, open_low=True, risk_cycles=risk_cycles), "risk_cycles")
    single(at_least(0, open_low=True, cycles=cycles), "cycles")
    if early >= cycles:
        raise InvalidValue(f"risk_cycles must be below cycles, got {early:g} and {cycles:g}")
    customers, until = _customers(log, as_of, lost_after, cycles, by, "at_risk")
    quiet = nw.col("days_since") > nw.col("limit") * (early / cycles)
    still = customers.filter((nw.col("cut_off") > until.toordinal()) & quiet)
    return close_frame(_shown(still.with_columns(lost_day=nw.col("cut_off")), by), eager=log.eager)


def returned(log: Log, as_of: dt.date | str, within: int, lost_after: int | None, cycles: float, by: Any) -> Any:
    """See :meth:`Transactions.returned`."""
    window = whole(1, within=within)
    group = group_of(by)
    days, excluded, until = purchase_days(log, as_of, by)
    warn_of(excluded, "returned")
    cycle = _cycle(days, until, lost_after, cycles)
    gap = nw.col("day") - nw.col("previous")
    steps = with_steps(days).filter(~nw.col("previous").is_null())
    steps = steps.with_columns(away=gap.cast(nw.Int64)).filter(nw.col("day") > until.toordinal() - window)
    whole_life = _lives(days, [], paid=False).rename({"last": "newest"})
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
    shown = back.rename({"away": "days_away"}).select("customer", "returned_on", "days_away", "purchases", *group)
    return close_frame(shown, eager=log.eager)


def _customers(
    log: Log, as_of: dt.date | str, lost_after: int | None, cycles: float, by: Any, question: str
) -> tuple[Frame, dt.date]:
    """Each customer with rhythm, cut-off day and days since the last purchase."""
    days, excluded, until = purchase_days(log, as_of, by)
    warn_of(excluded, question)
    cycle = _cycle(days, until, lost_after, cycles)
    lives = _lives(days, group_of(by), paid=log.paid).with_columns(purchases=nw.col("purchases").cast(nw.Int64))
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
    else:
        warn_of_short_window(whole(0, lost_after=lost_after), cycle, stacklevel=6)
    return cycle


def _lives(days: Frame, group: list[str], *, paid: bool) -> Frame:
    return days.group_by("customer", *group).agg(
        nw.len().alias("purchases"),
        nw.col("day").min().alias("first"),
        nw.col("day").max().alias("last"),
        *([nw.col("amount").sum()] if paid else []),
    )


def _shown(customers: Frame, by: Any, *more: str) -> Frame:
    dates = customers.with_columns(
        last_purchase=as_date(customers, nw.col("last").cast(nw.Int64)),
        lost_on=as_date(customers, nw.col("lost_day")),
    )
    shown = ["customer", "last_purchase", "days_since", "purchases", "rhythm", "lost_on", *more, *group_of(by)]
    return dates.select(*shown)
