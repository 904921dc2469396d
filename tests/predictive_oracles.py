"""Purchase histories of published data, and purchase models in arbitrary precision from their published formulas."""

import csv
import datetime as dt
from importlib.metadata import files
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pyarrow as pa

CALIBRATION = dt.date(1997, 9, 30)
LAST = dt.date(1998, 6, 30)
NUDGE = mp.mpf(10) ** -80


def cdnow(table: pa.Table) -> dict[str, np.ndarray]:
    """Histories of the CDNOW sample in weeks to the end of calibration, and the purchases in the holdout."""
    days: dict[str, dict[dt.date, float]] = {}
    for customer, time, amount in zip(
        *(table[name].to_pylist() for name in ("customer", "time", "amount")), strict=True
    ):
        spent = days.setdefault(customer, {})
        spent[time.date()] = spent.get(time.date(), 0.0) + amount
    rows = []
    for spent in days.values():
        seen = sorted(day for day in spent if day <= CALIBRATION)
        later = sum(CALIBRATION < day <= LAST for day in spent)
        mean = np.mean([spent[day] for day in seen[1:]]) if len(seen) > 1 else 0.0
        recency, age = (seen[-1] - seen[0]).days / 7, (CALIBRATION - seen[0]).days / 7
        rows.append((len(seen) - 1, recency, age, mean, later))
    return dict(
        zip(("frequency", "recency", "T", "monetary_value", "holdout"), np.array(rows, dtype=float).T, strict=True)
    )


def donations() -> dict[str, np.ndarray]:
    """The donations data of the PyPI package ``lifetimes``: 11,104 donors, six opportunities."""
    found = next(path for path in files("lifetimes") or [] if path.name == "donations.csv")
    with Path(str(found.locate())).open(encoding="utf-8") as file:
        table = np.array([[float(value) for value in row.values()] for row in csv.DictReader(file)]).T
    return dict(zip(("frequency", "recency", "T", "weights"), table, strict=True))


def purchases(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns that a model of purchases takes."""
    return {name: table[name] for name in ("frequency", "recency", "T", "weights") if name in table}


class BetaGeometric:
    """BG/NBD (first=0) and MBG/NBD (first=1) by their published formulas; singular places by a nudge of 1e-80."""

    def __init__(self, r: float, alpha: float, a: float, b: float, *, first: int) -> None:
        self.r, self.alpha, self.a, self.b = (mp.mpf(value) for value in (r, alpha, a, b))
        self.first = first

    def likelihood(self, x: float, last: float, T: float) -> Any:
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        n = x + self.first
        kept = mp.beta(a, b + n) / mp.beta(a, b) * (alpha + T) ** -(r + x)
        gone = mp.beta(a + 1, b + n - 1) / mp.beta(a, b) * (alpha + last) ** -(r + x) if n else mp.mpf(0)
        return mp.rf(r, x) * alpha**r * (kept + gone)

    def alive(self, x: float, last: float, T: float) -> Any:
        kept = mp.beta(self.a, self.b + x + self.first) / mp.beta(self.a, self.b)
        return (
            mp.rf(self.r, x)
            * self.alpha**self.r
            * kept
            * (self.alpha + T) ** -(self.r + x)
            / self.likelihood(x, last, T)
        )

    def expected(self, horizon: float, x: float = 0, last: float = 0, T: float = 0) -> Any:
        """The formula of 2005 needs as many digits as its two terms cancel."""
        with mp.workdps(250):
            a, b = self.a, self.b + x + self.first
            a += NUDGE * ((a == 1) + (a + b == 1))
            r, scale = self.r + x, self.alpha + T
            z = mp.mpf(horizon) / (scale + horizon)
            bracket = 1 - (1 - z) ** r * mp.hyp2f1(r, b, a + b - 1, z)
            return (a + b - 1) / (a - 1) * bracket * self.alive(x, last, T)

    def pmf(self, n: int, horizon: float, x: float = 0, last: float = 0, T: float = 0) -> Any:
        a, b = self.a, self.b + x + self.first
        r, z = self.r + x, mp.mpf(horizon) / (self.alpha + T + horizon)

        def nbd(k: int) -> Any:
            return mp.rf(r, k) / mp.factorial(k) * (1 - z) ** r * z**k

        with mp.workdps(400):
            there = mp.beta(a, b + n) / mp.beta(a, b) * nbd(n)
            if n:
                there += mp.beta(a + 1, b + n - 1) / mp.beta(a, b) * (1 - mp.fsum(nbd(k) for k in range(n)))
            alive = self.alive(x, last, T)
            return alive * there + (1 - alive if n == 0 else 0)

    def discounted(self, discount: float, x: float = 0, last: float = 0, T: float = 0) -> Any:
        a, b, r, scale = self.a, self.b + x + self.first, self.r + x, self.alpha + T
        delta = mp.log1p(mp.mpf(discount))

        def rate(t: Any) -> Any:
            return mp.exp(-delta * t) * r / scale * mp.hyp2f1(r + 1, a, a + b, -t / scale)

        return self.alive(x, last, T) * mp.quad(rate, [0, 0.01, 0.1, 1, 10, 100, 1000, 1e4, 1e5])


class Pareto:
    """Pareto/NBD by its published formulas."""

    def __init__(self, r: float, alpha: float, s: float, beta: float) -> None:
        self.r, self.alpha, self.s, self.beta = (mp.mpf(value) for value in (r, alpha, s, beta))

    def likelihood(self, x: float, last: float, T: float) -> Any:
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        with mp.workdps(80):
            low, high = min(alpha, beta), max(alpha, beta)
            second = s + 1 if alpha >= beta else r + x

            def end(y: Any) -> Any:
                argument = (high - low) / (high + y)
                return mp.hyp2f1(r + s + x, second, r + s + x + 1, argument) / (high + y) ** (r + s + x)

            gone = s / (r + s + x) * (end(mp.mpf(last)) - end(mp.mpf(T)))
            return mp.rf(r, x) * alpha**r * beta**s * ((alpha + T) ** -(r + x) * (beta + T) ** -s + gone)

    def alive(self, x: float, last: float, T: float) -> Any:
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        there = mp.rf(r, x) * alpha**r * beta**s * (alpha + T) ** -(r + x) * (beta + T) ** -s
        return there / self.likelihood(x, last, T)

    def expected(self, horizon: float, x: float = 0, last: float = 0, T: float = 0) -> Any:
        with mp.workdps(200):
            s = self.s + NUDGE * (self.s == 1)
            beta = self.beta + T
            lasting = beta / (s - 1) * (1 - (beta / (beta + horizon)) ** (s - 1))
            return (self.r + x) / (self.alpha + T) * lasting * self.alive(x, last, T)

    def pmf(self, n: int, horizon: float, x: float = 0, last: float = 0, T: float = 0) -> Any:
        r, alpha, s, beta, h = self.r + x, self.alpha + T, self.s, self.beta + T, mp.mpf(horizon)
        at_end = mp.rf(r, n) / mp.factorial(n) * (alpha / (alpha + h)) ** r * (h / (alpha + h)) ** n

        def leaving(y: Any) -> Any:
            """Relative to the end of the horizon, because quadrature stops at an absolute error."""
            grown = (alpha + h) / (alpha + y)
            return grown ** (r + n) * (y / h) ** n * s / (beta + y) * (beta / (beta + y)) ** s

        left = at_end * mp.quad(leaving, [0, *(h * mp.mpf(2) ** -k for k in range(10, -1, -1))])
        alive = self.alive(x, last, T)
        return alive * (at_end * (beta / (beta + h)) ** s + left) + (1 - alive if n == 0 else 0)

    def discounted(self, discount: float, x: float = 0, last: float = 0, T: float = 0) -> Any:
        """Fader, Hardie & Lee (2005), with the confluent hypergeometric function of the second kind."""
        delta = mp.log1p(mp.mpf(discount))
        beta = self.beta + T
        rate = delta ** (self.s - 1) * beta**self.s * mp.hyperu(self.s, self.s, delta * beta)
        return (self.r + x) / (self.alpha + T) * rate * self.alive(x, last, T)
