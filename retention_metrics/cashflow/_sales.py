"""How many packages will be sold: a base, its seasons, a trend, what may happen to it, and chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from retention_metrics._checks import at_least, choice, first_true, generator, in_a_row, single, whole
from retention_metrics._typing import FloatArray, IntArray, Scalar, Vector
from retention_metrics.errors import InvalidType, InvalidValue

Noise: TypeAlias = Literal["fixed", "poisson", "negative_binomial"]
MOST_SOLD = 2**30
"""Packages of one path, all periods together, stay below this many."""

_NOISES = ("fixed", "poisson", "negative_binomial")
_ROUNDING = 1e-9
_LEAST = 1e-6
"""Smallest dispersion; below it nearly nothing is ever sold, and then more than can be counted."""


@dataclass(frozen=True, slots=True)
class SalesPath:
    r"""Packages sold in each period: what is expected, and how chance moves it.

    .. math:: m_t = \text{base}_t \cdot (1 + \text{trend})^t \cdot \text{season}_{t \bmod k}
        \cdot \prod_{\text{shocks}} \text{factor}, \qquad t = 0, 1, 2, \dots

    Attributes:
        base: Packages per period, >= 0; one number, or one for each period.
        season: Factors >= 0 that repeat themselves, such as twelve of them for months; ``None`` for no seasons.
        trend: Growth per period, as a fraction above -1.
        shocks: ``(start, end, factor)`` multiplies the periods from ``start`` up to, not including, ``end`` by a factor
            >= 0: ``(30, 36, 0.4)`` is a dip of 60 % for six periods. Periods count from 0.
        noise: ``"fixed"`` sells exactly the mean, which must be whole. ``"poisson"`` and ``"negative_binomial"`` vary
            around it, independently in each period.
        dispersion: The number k of the negative binomial, >= 1e-6, whose variance is :math:`m + m^2 / k`.

    Raises:
        InvalidValue: A number is out of range, or ``dispersion`` does not go with the noise.
        InvalidType: An argument is of the wrong kind.

    Examples:
        >>> dip = SalesPath(40, shocks=[(2, 4, 0.4)])
        >>> dip.mean(6)
        array([40., 40., 16., 16., 40., 40.])
        >>> dip.draw(periods=3, paths=2, rng=1)
        array([[40, 40],
               [40, 40],
               [16, 16]])

    References:
        Johnson, Kemp & Kotz (2005), *Univariate Discrete Distributions*, 3rd ed., chapters 4 and 5.
    """

    base: Scalar | Vector
    season: Vector | None = None
    trend: float = 0.0
    shocks: Sequence[tuple[int, int, float]] = ()
    noise: Noise = "fixed"
    dispersion: float | None = None

    def __post_init__(self) -> None:
        """Read and check every field; arrays become tuples."""
        choice(_NOISES, noise=self.noise)
        if (self.dispersion is not None) != (self.noise == "negative_binomial"):
            raise InvalidValue("dispersion goes with noise='negative_binomial', and with no other")
        checked = {
            "base": _listed("base", at_least(0, base=self.base)),
            "season": None if self.season is None else in_a_row(season=at_least(0, season=self.season)).tolist(),
            "trend": single(at_least(-1, open_low=True, trend=self.trend), "trend"),
            "shocks": _shocks(self.shocks),
        }
        if self.dispersion is not None:
            checked["dispersion"] = single(at_least(_LEAST, dispersion=self.dispersion), "dispersion")
        for name, value in checked.items():
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)

    def mean(self, periods: int) -> FloatArray:
        """Expected packages in each period.

        Args:
            periods: Number of periods, >= 1.

        Returns:
            One number a period.

        Raises:
            InvalidValue: ``base`` has another number of periods, or a shock lies outside of them.
        """
        length = whole(1, periods=periods)
        base = np.asarray(self.base, dtype=np.float64)
        if base.ndim and base.size != length:
            raise InvalidValue(f"base must be one number or one for each of the {length} periods, got {base.size}")
        at = np.arange(length)
        with np.errstate(over="ignore"):
            mean = base * (1.0 + self.trend) ** at
            if self.season is not None:
                mean = mean * np.asarray(self.season)[at % np.size(self.season)]
        for i, (start, end, factor) in enumerate(self.shocks):
            if start >= length:
                raise InvalidValue(f"shocks[{i}] starts in period {start}, after the last one, {length - 1}")
            with np.errstate(over="ignore"):
                mean[start:end] *= factor
        where = first_true(~np.isfinite(mean))
        if where is not None:
            raise InvalidValue(f"sales[{where[0]}] has no finite mean; base, season, trend or shocks are too large")
        return mean

    def draw(self, *, periods: int, paths: int, rng: np.random.Generator | int) -> IntArray:
        """Packages sold in each period of each path.

        Args:
            periods: Number of periods, >= 1.
            paths: Number of paths, >= 1.
            rng: Generator or seed.

        Returns:
            Whole numbers of shape ``(periods, paths)``.

        Raises:
            InvalidValue: The mean of a period is not whole and ``noise="fixed"``, or too many are sold.
        """
        mean = self.mean(periods)
        _refuse_too_many(float(mean.sum()))
        if self.noise == "fixed":
            sold = whole_packages(mean)
            return np.array(np.broadcast_to(sold[:, None], (sold.size, whole(1, paths=paths))))
        chance = generator(rng)
        size = (mean.size, whole(1, paths=paths))
        if self.dispersion is None:
            return chance.poisson(mean[:, None], size)
        k = self.dispersion
        return chance.poisson(chance.gamma(k, 1 / k, size) * mean[:, None])

    def scaled(self, shock: tuple[int, int, float]) -> "SalesPath":
        """The same path with one more shock."""
        return SalesPath(self.base, self.season, self.trend, (*self.shocks, shock), self.noise, self.dispersion)


def whole_packages(mean: FloatArray) -> IntArray:
    """Means that have to be whole, as whole numbers."""
    rounded = np.rint(mean)
    where = first_true(np.abs(mean - rounded) > _ROUNDING * np.maximum(mean, 1))
    if where is not None:
        raise InvalidValue(
            f"sales[{where[0]}] must be whole with noise='fixed', got {mean[where]:g}; use noise='poisson' for a mean"
        )
    return rounded.astype(np.int64)


def sales_table(sales: Any, periods: int) -> IntArray:
    """Sales that are given as numbers: whole, of shape (periods, 1) or (periods, paths)."""
    try:
        array = np.asarray(sales)
    except ValueError:
        raise InvalidValue("sales must have as many paths in every period, got rows of different lengths") from None
    if array.dtype.kind not in "iuf":
        raise InvalidType(f"sales must be a SalesPath or whole numbers, got {type(sales).__name__} {sales!r:.40}")
    if array.dtype.kind == "f":
        where = first_true((array != np.rint(array)) | np.isinf(array))
        if where is not None:
            raise InvalidValue(
                f"sales{_spot(where)} must be a whole number of packages, got {array[where]:g}; give a mean as "
                "SalesPath(..., noise='poisson')"
            )
    if array.ndim not in (1, 2) or array.shape[0] != periods:
        raise InvalidValue(
            f"sales must have shape ({periods},) or ({periods}, paths), got {array.shape}; a constant is SalesPath(40)"
        )
    where = first_true(array < 0)
    if where is not None:
        raise InvalidValue(f"sales{_spot(where)} must be >= 0, got {int(array[where])}")
    _refuse_too_many(float(array.sum(axis=0).max()))
    sold: IntArray = array.astype(np.int64).reshape(periods, -1)
    return sold


def _refuse_too_many(packages: float) -> None:
    if packages >= MOST_SOLD:
        raise InvalidValue(f"sales add up to {packages:.3g} packages on a path; they must stay below 2**30")


def _spot(where: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, where))}]" if where else ""


def _listed(name: str, value: Any) -> Any:
    if isinstance(value, float):
        return value
    if value.ndim != 1:
        raise InvalidValue(f"{name} must be one number or one for each period, got an array of shape {value.shape}")
    return value.tolist()


def _shocks(given: Any) -> tuple[tuple[int, int, float], ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InvalidType(f"shocks must be a list of (start, end, factor), got {type(given).__name__}")
    return tuple(_shock(i, shock) for i, shock in enumerate(given))


def _shock(i: int, shock: Any) -> tuple[int, int, float]:
    try:
        start, end, factor = shock
    except (TypeError, ValueError):
        raise InvalidValue(f"shocks[{i}] must be (start, end, factor), got {shock!r}") from None
    first, last = whole(0, **{f"shocks[{i}][0]": start}), whole(1, **{f"shocks[{i}][1]": end})
    if last <= first:
        raise InvalidValue(f"shocks[{i}] must end after it starts, got periods {first} to {last}")
    name = f"shocks[{i}][2]"
    return first, last, single(at_least(0, **{name: factor}), name)
