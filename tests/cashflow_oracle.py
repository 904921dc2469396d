"""A slow and obviously right cash engine, and random books of prepaid packages: a period and a package at a time."""

import itertools
import math
from fractions import Fraction

import numpy as np

NAMES = ("collections", "earned", "breakage", "refunds_paid", "refund_fees", "delivery_cost", "commission")


def plain_run(flows, policy, path=None):
    """Cash, low, lower bound, draws and injections of one path, in whole numbers and fractions of Python."""
    rows = {
        name: [int(x if path is None else x[path]) for x in getattr(flows, name)]
        for name in (*NAMES, "liability", "cost_outstanding")
    }
    periods = len(rows["collections"])
    fixed = policy.fixed_costs if isinstance(policy.fixed_costs, tuple) else [policy.fixed_costs] * periods
    ratio, take = (Fraction(str(x)) for x in (policy.reserve_ratio, policy.take))
    basis = rows["liability" if policy.basis == "liability" else "cost_outstanding"]
    cash, result = policy.opening_cash, []
    for t in range(periods):
        worked = t - policy.payroll_lag
        out = rows["commission"][t] + rows["refunds_paid"][t] + fixed[t]
        out += rows["delivery_cost"][worked] if worked >= 0 else 0
        low, lower = cash + rows["collections"][t] - out, cash - out
        injection = max(0, -low) if policy.gap_funding == "owner" else 0
        free = max(0, low + injection - math.ceil(ratio * basis[t]) - policy.buffer)
        draw = math.floor(take * free)
        cash = low + injection - draw
        result.append({"low": low, "low_conservative": lower, "injections": injection, "draws": draw, "cash": cash})
    return {name: [row[name] for row in result] for name in result[0]}


def random_book(rng, *, periods, cheap=True, commission=False):
    """Flows of one path as a dict of lists: packages bought, used, given back or expired at random.

    Each package has its own price, sessions and cost; ``cheap`` keeps the cost of a session within its smallest share.
    """
    book = {name: [0] * periods for name in (*NAMES, "liability", "cost_outstanding")}
    for _ in range(rng.randint(0, 12)):
        price, sessions = rng.choice([0, 7, 100, 1000, 363]), rng.randint(1, 9)
        total = [math.floor(Fraction(price * k, sessions) + Fraction(1, 2)) for k in range(sessions + 1)]
        smallest = min(b - a for a, b in itertools.pairwise(total))
        cost = rng.randint(0, smallest if cheap else 2 * price)
        paid_out = rng.randint(0, price // 5) if commission else 0
        speed, used, alive = rng.choice([0.1, 0.5, 0.9]), 0, False
        bought = rng.randrange(periods)
        silence = rng.randint(0, periods)
        for t in range(bought, periods):
            if t == bought:
                book["collections"][t] += price
                book["commission"][t] += paid_out
                alive = True
            while alive and used < sessions and rng.random() < speed and t - bought >= silence % 5:
                book["earned"][t] += total[used + 1] - total[used]
                book["delivery_cost"][t] += cost
                used += 1
            value = price - total[used]
            if alive and rng.random() < 0.05:
                fee = rng.randint(0, value)
                book["refunds_paid"][t] += value - fee
                book["refund_fees"][t] += fee
                alive = False
            if alive and rng.random() < 0.03:
                book["breakage"][t] += value
                alive = False
            if alive:
                book["liability"][t] += value
                book["cost_outstanding"][t] += (sessions - used) * cost
    return book


def random_books(rng, *, periods, paths, **kind):
    """Many books as arrays of shape (periods, paths)."""
    books = [random_book(rng, periods=periods, **kind) for _ in range(paths)]
    return {name: np.array([book[name] for book in books]).T for name in books[0]}
