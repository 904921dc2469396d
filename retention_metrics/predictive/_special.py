"""Special functions in the forms in which purchase models stay exact: logarithms, ratios, sums of positive terms."""

from functools import cache, lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from retention_metrics._frames import require
from retention_metrics._typing import FloatArray

_LONGEST_SERIES = 600
_CHUNK = 8192
_NEGLIGIBLE = 1e-17
_NODES = 400
_SMALLEST = -500.0
_BEYOND = 42.0
"""A term e**-42 times the largest no longer counts in float64."""


@cache
def special() -> Any:
    """``scipy.special``, loaded when it is first needed."""
    require("scipy", "predictive")
    return import_module("scipy.special")


@cache
def legendre(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Places and weights of Gauss-Legendre quadrature on 0 to 1."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


def log_rising(start: Any, count: Any) -> Any:
    r"""Logarithm of the rising factorial :math:`\Gamma(s + n) / \Gamma(s)`."""
    gammaln = special().gammaln
    return gammaln(np.add(start, count)) - gammaln(start)


def log_beta(a: Any, b: Any) -> Any:
    """Logarithm of the beta function."""
    return special().betaln(a, b)


def log_choose(n: Any, k: Any) -> Any:
    """Logarithm of the number of ways to choose k of n."""
    return -special().betaln(np.subtract(n, k) + 1.0, np.add(k, 1.0)) - np.log1p(n)


def faded(time: Any, scale: Any, shape: Any) -> Any:
    r"""Length of a time that fades: :math:`\int_0^t (1 + y / c)^{-s} dy`, also at s = 1."""
    elapsed = np.log1p(np.divide(time, scale))
    return scale * elapsed * special().exprel((1.0 - np.asarray(shape)) * elapsed)


def log_negative_binomial(count: Any, shape: Any, time: Any, scale: Any) -> Any:
    r"""Logarithm of the NBD probability of a number of purchases.

    .. math:: \frac{\Gamma(r + n)}{\Gamma(r) n!} \Big(\frac{\alpha}{\alpha + t}\Big)^r
        \Big(\frac{t}{\alpha + t}\Big)^n
    """
    ways = log_rising(shape, count) - special().gammaln(np.add(count, 1.0))
    return (
        ways - shape * np.log1p(np.divide(time, scale)) + special().xlogy(count, np.divide(time, np.add(time, scale)))
    )


def thinned_count(r: Any, tau: Any, a: Any, b: Any) -> FloatArray:
    r"""Purchases to be expected before dropout, when each purchase is the last with a probability of its own.

    .. math:: G = E\Big[\frac{1 - (1 + p \tau)^{-r}}{p}\Big] = \sum_{k \ge 1} P(K = k) \sum_{n < k}
        \frac{(b)_n}{(a + b)_n}, \qquad p \sim \text{Beta}(a, b), \quad K \sim \text{NBD}(r, \tau)

    K is what a customer would buy who never drops out, and the inner sum is how much of that is left. All terms are
    positive, so nothing cancels, and a = 1 or a + b = 1 are places like any other. Long series are replaced by an
    integral over the log-floor of p.
    """
    arrays = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (r, tau, a, b)))
    shape, ratio, lose, keep = (np.ravel(v) for v in arrays)
    mean = shape * ratio
    total = mean.copy()  # right as it stands where nobody drops out or no time passes
    terms = mean + 9 * np.sqrt(mean * (1 + ratio)) + 40 * (1 + ratio)
    open_ = (lose > 0) & (mean > 0)
    brief = np.flatnonzero(open_ & (terms <= _LONGEST_SERIES))
    brief = brief[np.argsort(terms[brief], kind="stable")]
    for start in range(0, brief.size, _CHUNK):
        at = brief[start : start + _CHUNK]
        total[at] = _thinned_series(shape[at], ratio[at], lose[at], keep[at])
    long = np.flatnonzero(open_ & (terms > _LONGEST_SERIES))
    for start in range(0, long.size, _CHUNK // 8):
        at = long[start : start + _CHUNK // 8]
        total[at] = _thinned_integral(shape[at], ratio[at], lose[at], keep[at])
    return np.asarray(total.reshape(arrays[0].shape))


def _thinned_series(r: FloatArray, tau: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    z = tau / (1 + tau)
    chance = np.exp(-r * np.log1p(tau))
    left = np.ones_like(r)
    bought, total = np.zeros_like(r), np.zeros_like(r)
    for k in range(4 * _LONGEST_SERIES):
        chance *= z * ((r + k) / (k + 1))
        bought += left
        left *= (b + k) / (a + b + k)
        term = chance * bought
        total += term
        if k % 8 == 7 and (term <= _NEGLIGIBLE * (1 - z) * total).all() and (z * (r + k) < k).all():
            break
    return total


def _thinned_integral(r: FloatArray, tau: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    r, tau, a, b = (v[:, None] for v in (r, tau, a, b))
    logaddexp = np.logaddexp

    def log_density(u: FloatArray) -> FloatArray:
        log_p, log_q = -logaddexp(0, -u), -logaddexp(0, u)
        floor = np.maximum(log_p, _SMALLEST)
        lasting = -np.expm1(-r * np.log1p(tau * np.exp(floor)))
        return a * log_p + b * log_q + np.log(lasting) - floor

    lowest = np.minimum(np.log(a / b), np.log(a) - np.log1p(r * tau)) - 12
    highest = np.log(a / b) + 2
    integral = np.exp(log_integral(log_density, lowest, highest, left_rate=a, right_rate=b) - log_beta(a, b)[:, 0])
    return np.asarray(integral)


def discounted_until_dropout(r: Any, rate: Any, a: Any, b: Any) -> FloatArray:
    r"""Discounted purchases before dropout, over all time to come.

    .. math:: E\Big[\frac{\lambda}{\lambda p + \delta}\Big], \qquad
        \lambda \sim \text{Gamma}(r, 1), \quad p \sim \text{Beta}(a, b)
    """
    arrays = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (r, rate, a, b)))
    shape, delta, lose, keep = (np.ravel(v) for v in arrays)
    total = shape / delta  # right as it stands where nobody drops out
    kinds, of = np.unique(np.stack([shape, lose, keep], axis=1), axis=0, return_inverse=True)
    for kind, (own_r, own_a, own_b) in enumerate(kinds.tolist()):
        if own_a == 0:
            continue
        buying, buying_weight = _gamma_nodes(own_r)
        leaving, leaving_weight = _beta_nodes(own_a, own_b)
        mortal = buying[:, None] * leaving
        for row in np.flatnonzero(np.ravel(of) == kind):
            total[row] = np.einsum("i,ij,j->", buying_weight * buying, 1 / (mortal + delta[row]), leaving_weight)
    return np.asarray(total.reshape(arrays[0].shape))


def beta_mean(value: Any, a: float, b: float) -> float:
    """Mean of a smooth function of a beta variable."""
    places, weights = _beta_nodes(a, b)
    return float((value(places) * weights).sum())


@lru_cache(maxsize=4096)
def _gamma_nodes(shape: float) -> tuple[FloatArray, FloatArray]:
    """Places and weights for means over a gamma distribution of rate 1."""
    r = np.full((1, 1), shape)
    u, weight, _ = line_nodes(lambda u: r * u - np.exp(u), np.log(r) - 1, np.log(r) + 1, left_rate=r, right_rate=1.0)
    return np.exp(u[0]), weight[0] / weight.sum()


@lru_cache(maxsize=4096)
def _beta_nodes(a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Places and weights for means over a beta distribution."""
    lose, keep = np.full((1, 1), a), np.full((1, 1), b)
    middle = np.log(lose / keep)
    u, weight, _ = line_nodes(
        lambda u: -lose * np.logaddexp(0, -u) - keep * np.logaddexp(0, u),
        middle - 1,
        middle + 1,
        left_rate=lose,
        right_rate=keep,
    )
    return special().expit(u[0]), weight[0] / weight.sum()


def log_integral(log_density: Any, low: FloatArray, high: FloatArray, *, left_rate: Any, right_rate: Any) -> FloatArray:
    """Logarithm of the integral over the whole line of functions with one peak, one function a row."""
    _, weight, top = line_nodes(log_density, low, high, left_rate=left_rate, right_rate=right_rate)
    return np.asarray(top[:, 0] + np.log(weight.sum(axis=1)))


def line_nodes(
    log_density: Any, low: FloatArray, high: FloatArray, *, left_rate: Any, right_rate: Any
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Places and weights for integrals over the whole line, and the logarithm by which the weights were divided.

    The functions, one a row, have one peak. It lies between ``low`` and ``high``, and beyond these the functions fall
    about as fast as ``exp(-rate * distance)``. Trapezoidal rule after a double exponential change of variable.
    """
    grid = np.linspace(0, 1, 17)
    first, last = low, high
    for _ in range(8):
        u = low + (high - low) * grid
        best = np.argmax(log_density(u), axis=1)[:, None]
        step = (high - low) / 16
        low, high = low + step * np.maximum(best - 1, 0), low + step * np.minimum(best + 1, 16)
    peak = (low + high) / 2
    top = log_density(peak)
    bend = (log_density(peak - 0.05) + log_density(peak + 0.05) - 2 * top) / 0.05**2
    width = np.clip(1 / np.sqrt(np.maximum(-bend, 1e-4)), 0.02, 2)
    before = np.arcsinh((_BEYOND / left_rate + 10 + peak - first) / width)
    after = np.arcsinh((_BEYOND / right_rate + 10 + last - peak) / width)
    v = -before + (before + after) * np.linspace(0, 1, _NODES)
    u = peak + width * np.sinh(v)
    weight = np.exp(log_density(u) - top) * np.cosh(v) * width * (before + after) / (_NODES - 1)
    return u, weight, top
