"""What a purchase model says of every customer of a log, and how it does on time it has not seen."""

import datetime as dt
import math
from dataclasses import replace
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from retention_metrics._checks import at_least, day, finite, single, whole
from retention_metrics._stats import two_sided_z
from retention_metrics._typing import FloatArray, Period
from retention_metrics.errors import InvalidType, InvalidValue
from retention_metrics.logs._engines import close_frame, small_frame, to_numbers, with_short_plan
from retention_metrics.logs._histories import HISTORY, Lives, Scale, in_order, lives, of_rows, scale_of
from retention_metrics.logs._rows import Log, warn_of
from retention_metrics.logs._segments import group_of
from retention_metrics.predictive import (
    Fit,
    GammaGamma,
    Histories,
    PurchaseModel,
    Tracking,
    Validation,
    expected_tracking,
)
from retention_metrics.predictive import validate as validate_histories
from retention_metrics.predictive._fit import sensitivities
from retention_metrics.predictive._histories import Customers, one_unit
from retention_metrics.predictive._value import discounted_purchases, spend_variance, worth_of_periods

_ROUNDING = 1e-6


class _Asked(NamedTuple):
    """A model, or None; and the fit that it came from, if there was one."""

    model: Any
    fit: Fit[Any] | None


def predict(
    log: Log,
    model: Any,
    *,
    horizon: float,
    as_of: dt.date | str,
    unit: Period | None,
    spend: Any,
    discount: float,
    margin: float,
    level: float | None,
    by: Any,
) -> Any:
    """See :meth:`Transactions.predict`."""
    buying, paying = _asked(model, PurchaseModel, "model"), _asked(spend, GammaGamma, "spend")
    if level is not None and buying.fit is None:
        raise InvalidValue("level needs a Fit: a model alone does not say how far its parameters are open")
    scale = scale_of(_unit(unit, buying.model), opportunities=buying.model.WHOLE_TIMES)
    ahead = single(at_least(0, horizon=horizon), "horizon")
    worth = None
    if paying.model is not None:
        rate = single(at_least(0, discount=discount), "discount")
        worth = single(finite(margin=margin), "margin") * worth_of_periods(whole(1, horizon=horizon), rate, "end")
    found = lives(log, as_of, scale, spend=worth is not None, by=by)
    warn_of(found.excluded, "predict")
    # The rows of an eager frame are gone through once: for the distinct histories, and again for the answer.
    customers = found.frame.collect().lazy() if log.eager else found.frame
    alike = customers.group_by(*HISTORY).agg(nw.len().alias("weights"))
    keys = to_numbers(alike.select(*HISTORY))
    x, steps, ages = (keys[name].astype(np.float64) for name in HISTORY)
    given: dict[str, Any] = {"frequency": x, "recency": steps / scale.steps, "T": ages / scale.steps}
    answers = {
        "probability_alive": buying.model.probability_alive(**given),
        "expected_purchases": buying.model.expected_purchases(ahead, **given),
    }
    if level is not None and buying.fit is not None:
        limits: Any = buying.fit.interval("expected_purchases", ahead, **given, level=level)
        answers |= {"purchases_low": limits.low, "purchases_high": limits.high}
    shown = list(answers)
    if worth is not None:
        share = paying.model.share_of_money(x)
        answers |= {
            "worth": discounted_purchases(buying.model, Customers(**given), worth),
            "share": np.nan_to_num(share),
            "bounded": np.isfinite(share).astype(np.float64),
        }
    square = None
    if level is not None and worth is not None and paying.fit is not None and buying.fit is not None:
        place, size = Customers(**given), np.abs(worth)
        slopes = sensitivities(buying.model, lambda model: discounted_purchases(model, place, size), "log")
        alone, slope, square = spend_variance(paying.fit, x)
        answers |= {"alone": alone + np.einsum("i...,ij,j...->...", slopes, buying.fit.log_covariance(), slopes)}
        answers |= {"slope": slope}
    told = customers.join(small_frame(customers, keys | answers), on=list(HISTORY))
    if worth is not None:
        spent = nw.col("spent")
        known = (nw.col("bounded") > 0) & ((spent > 0) | (nw.col("frequency") == 0))
        each = nw.col("share") * (paying.model.v + spent)
        told = told.with_columns(expected_spend=nw.when(known).then(each))
        told = told.with_columns(value=nw.col("expected_spend") * nw.col("worth"))
        shown += ["expected_spend", "value"]
    if square is not None and level is not None:
        part = paying.model.v / (paying.model.v + nw.col("spent"))
        told = told.with_columns(variance=nw.col("alone") + part * (nw.col("slope") + square * part))
        error = nw.when(nw.col("variance") > 0).then(nw.col("variance")).otherwise(nw.lit(0.0)).sqrt()
        told = told.with_columns(half=math.copysign(two_sided_z(level), margin) * error)
        ends = {"value_low": -nw.col("half"), "value_high": nw.col("half")}
        told = told.with_columns(**{name: nw.col("value") * end.exp() for name, end in ends.items()})
        shown += list(ends)
    told = told.select(
        "customer",
        "frequency",
        (nw.col("recency") / scale.steps).alias("recency"),
        (nw.col("T") / scale.steps).alias("T"),
        *shown,
        *group_of(by),
    )
    return close_frame(told, eager=log.eager)


def validate(
    log: Log, model: Any, *, split: dt.date | str, as_of: dt.date | str, unit: Period | None, spend: Any
) -> Validation:
    """See :meth:`Transactions.validate`."""
    kind: type[Any] = model if isinstance(model, type) else type(_asked(model, PurchaseModel, "model").model)
    if not issubclass(kind, PurchaseModel):
        raise InvalidType(f"model must be a model of purchases, its Fit, or its class, got {kind.__name__}")
    scale = scale_of(_unit(unit, model), opportunities=kind.WHOLE_TIMES)
    paid = spend is not None
    cut = day(split=split)
    found = lives(log, as_of, scale, spend=paid, split=cut)
    money = ["spent", "brought"] if paid else []
    names = [*HISTORY, "later", *money]
    alike = found.frame.group_by(*names).agg(nw.len().alias("weights"))
    table = in_order(to_numbers(alike, floats=money), names)
    if table["weights"].size == 0:
        raise InvalidValue(f"nobody bought up to split {cut}: there is nothing to fit to, and nobody to follow")
    seen = of_rows(table, scale, found.excluded)
    asked, paying = (_fitted(each, seen) for each in (model, spend))
    length = (found.until - found.now) / scale.steps
    told = validate_histories(
        asked,
        frequency=seen.frequency,
        recency=seen.recency,
        T=seen.T,
        holdout=table["later"].astype(np.float64),
        horizon=length,
        weights=seen.weights,
        spend=paying,
        monetary_value=seen.monetary_value,
        holdout_amount=table["brought"] if paid else None,
    )
    return replace(told, tracking=_tracking(asked, found, scale, seen.T, seen.weights))


def _tracking(model: Any, found: Lives, scale: Scale, ages: FloatArray, weights: FloatArray) -> Tracking:
    """Repeat purchases of the cohort until the end of each unit of time, before and after the split."""
    repeats = found.purchases.join(found.frame.select("customer", "first"), on="customer")
    repeats = repeats.filter(nw.col("period") > nw.col("first"))
    counts = to_numbers(with_short_plan(repeats).group_by("period").agg(nw.len().alias("count")))
    order = np.argsort(counts["period"])
    steps, upto = counts["period"][order], np.append(0, np.cumsum(counts["count"][order]))
    end = (found.until - found.now) / scale.steps
    times = np.unique(np.append(np.arange(-np.ceil(ages.max()), np.floor(end) + 1), end))
    ends = np.floor(found.now + times * scale.steps + _ROUNDING)
    made = upto[np.searchsorted(steps, ends, side="right")]
    return Tracking(times, made.astype(np.float64), expected_tracking(model, T=ages, at=times, weights=weights))


def _asked(given: Any, kind: type[Any], name: str) -> _Asked:
    fit = given if isinstance(given, Fit) else None
    model = given if fit is None else fit.model
    if not isinstance(model, kind) and not (model is None and name == "spend"):
        raise InvalidType(f"{name} must be a {kind.__name__} or its Fit, got {type(model).__name__}")
    return _Asked(model, fit)


def _fitted(model: Any, seen: Histories) -> Any:
    """A class fitted to the calibration; models and fits as they are."""
    kind: Any = model
    return kind.fit(seen) if isinstance(model, type) else model


def _unit(unit: Period | None, model: Any) -> Period:
    """The unit of time: that of the model, or the one given where the model has none."""
    own = None if isinstance(model, type) else _asked(model, PurchaseModel, "model").model.unit
    found = one_unit(unit, own)
    if found is None:
        raise InvalidValue("the model does not say its unit of time: pass unit=, such as unit='week'")
    return found
