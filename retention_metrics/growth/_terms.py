"""The arguments that a projection and a simulation share, and the one recursion that both follow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retention_metrics._checks import at_least, finite, fraction, refuse_if, single, whole
from retention_metrics._typing import BoolArray, FloatArray, Number, Numbers, Vector
from retention_metrics.errors import InvalidValue

ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known before the first period, checked; arrays have one element a period unless they say otherwise.

    With ``by_age``, ``start`` and ``kept`` have one element an age: who is there, and the share that reaches the next
    age. Without it all customers are alike, and ``kept`` is the retention of each period.
    """

    periods: int
    start: FloatArray
    lapsed: float
    acquired: FloatArray
    referral: FloatArray
    kept: FloatArray
    by_age: bool
    returning: FloatArray | None
    margin: FloatArray | None
    spend: FloatArray | None
    discount: float

    def kept_in(self, t: int) -> FloatArray:
        """Share kept of each kind of active customer in period ``t``, counted from 0."""
        return self.kept if self.by_age else self.kept[t : t + 1]

    @property
    def worth(self) -> FloatArray:
        """What money of each period is worth in the first one."""
        return worth(self.discount, self.periods)


def worth(discount: float, periods: int) -> FloatArray:
    """What money of each period is worth in the first one."""
    return (1 + discount) ** -np.arange(periods, dtype=np.float64)


class Flow(NamedTuple):
    """One period of one or more paths: customers at its end, and how they came and went."""

    active: NDArray[Any]
    acquired: NDArray[Any]
    referred: NDArray[Any]
    returned: NDArray[Any]
    lost: NDArray[Any]
    lapsed: NDArray[Any]


def flows(
    terms: Terms,
    *,
    keep: Callable[..., Any],
    arrive: Callable[..., Any],
    paths: int = 1,
    dtype: type = np.float64,
) -> Iterator[Flow]:
    """The base from period to period; ``keep`` and ``arrive`` say whether by expectation or by chance.

    Args:
        terms: The arguments.
        keep: How many of so many customers stay, given the share that is expected to.
        arrive: How many customers come when so many are expected.
        paths: Number of paths.
        dtype: float for expectations, int for customers one by one.

    Yields:
        A :class:`Flow` of arrays with one element a path, one a period.
    """
    base: NDArray[Any] = np.tile(terms.start.astype(dtype), (paths, 1))
    lapsed: NDArray[Any] = np.full(paths, terms.lapsed, dtype=dtype)
    nobody: NDArray[Any] = np.zeros(paths, dtype=dtype)
    for t in range(terms.periods):
        before = base.sum(axis=1)
        kept = keep(base, terms.kept_in(t))
        lost = before - kept.sum(axis=1)
        returned = nobody if terms.returning is None else keep(lapsed, terms.returning[t : t + 1])
        acquired = arrive(np.full(paths, terms.acquired[t]))
        referred = arrive(terms.referral[t] * before)
        lapsed = lapsed - returned + lost
        joined = (acquired + referred + returned)[:, np.newaxis]
        base = np.hstack([joined, kept[:, :-1]]) if terms.by_age else kept + joined
        yield Flow(base.sum(axis=1), acquired, referred, returned, lost, lapsed)


def has_paid(cumulative: Number, turnover: Number, spent: Number) -> BoolArray:
    """Whether something has been spent and the margin has made up for it, whatever the rounding."""
    return np.greater(spent, 0) & np.greater_equal(cumulative, -ROUNDING * turnover)


def read_terms(
    *,
    start: Numbers,
    acquired: Numbers,
    retention: Numbers | None,
    survival: Vector | None,
    referral: Numbers,
    returning: Numbers | None,
    lapsed: float,
    periods: int,
    margin: Numbers | None,
    spend: Numbers | None,
    discount: float,
) -> Terms:
    """Check the arguments of a projection."""
    length = whole(1, periods=periods)
    present = at_least(0, start=start)
    won = _per_period(length, acquired=at_least(0, acquired=acquired))
    brought = _per_period(length, referral=at_least(0, referral=referral))
    if (retention is None) == (survival is None):
        raise InvalidValue("give either retention (a share kept per period) or survival (a share still there by age)")
    if retention is not None:
        if not isinstance(present, float):
            raise InvalidValue("start must be one number, the customers before the first period")
        base = np.array([present])
        kept = _per_period(length, retention=fraction(retention=retention))
    else:
        if returning is not None:
            raise InvalidValue("returning needs retention: survival does not say how long the returned stay")
        base, kept = _ages(curve_by_age(survival), present, length)
    dormant = single(at_least(0, lapsed=lapsed), "lapsed")
    if dormant and returning is None:
        raise InvalidValue("lapsed needs returning, the share of the lapsed who come back per period")
    interest = single(at_least(0, discount=discount), "discount")
    if margin is None and spend is not None:
        raise InvalidValue("spend needs margin: without it nothing can be set against the spend")
    if margin is None and interest:
        raise InvalidValue("discount needs margin: only money is discounted, not customers")
    return Terms(
        periods=length,
        start=base,
        lapsed=dormant,
        acquired=won,
        referral=brought,
        kept=kept,
        by_age=survival is not None,
        returning=None if returning is None else _per_period(length, returning=fraction(returning=returning)),
        margin=None if margin is None else _per_period(length, margin=finite(margin=margin)),
        spend=None if spend is None else _per_period(length, spend=at_least(0, spend=spend)),
        discount=interest,
    )


def curve_by_age(survival: Vector | None) -> FloatArray:
    """A checked survival curve: the share of customers still there at age 0, 1, 2 and so on."""
    curve = fraction(survival=survival)
    if isinstance(curve, float) or curve.ndim != 1:
        raise InvalidValue(
            "survival must be one number an age: 1 at age 0, then the share still there at age 1, 2, ..."
        )
    if curve[0] != 1:
        raise InvalidValue(f"survival[0] must be 1: at age 0 nobody has left yet, got {curve[0]:g}")
    refuse_if(np.diff(curve, prepend=1.0) > 0, "survival must not rise with age")
    return curve


def _ages(curve: FloatArray, start: Number, periods: int) -> tuple[FloatArray, FloatArray]:
    if isinstance(start, float):
        if start > 0:
            raise InvalidValue(
                "with survival, start must be 0 or customers by age: start[0] joined in the period just ended, "
                "start[1] the one before, ..."
            )
        present = np.zeros(0)
    elif start.ndim == 1:
        present = np.trim_zeros(start, "b")
    else:
        raise InvalidValue(f"start must be one number an age, got shape {start.shape}")
    living = curve[curve > 0]
    last = present.size - 1 + periods
    if curve[-1] > 0 and curve.size <= last:
        raise InvalidValue(
            f"survival ends at age {curve.size - 1} with {curve[-1]:.4g} of the customers still there, and age {last} "
            "is asked for; go on to that age, or append 0 if nobody stays longer"
        )
    if present.size > living.size:
        raise InvalidValue(f"start has customers of age {present.size - 1}, an age that nobody reaches by survival")
    reached = living[: last + 1]
    base = np.zeros(reached.size)
    base[: present.size] = present
    return base, np.append(reached[1:] / reached[:-1], 0.0)


def _per_period(length: int, **argument: Number) -> FloatArray:
    ((name, value),) = argument.items()
    if not isinstance(value, float) and value.shape != (length,):
        raise InvalidValue(f"{name} must be one number or {length} numbers, one per period, got shape {value.shape}")
    return np.broadcast_to(value, (length,))
