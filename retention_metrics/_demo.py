"""A service business that does not exist: two years of orders of a beauty studio, from a seed."""

import csv
import datetime as dt
from pathlib import Path

import numpy as np

AS_OF = dt.date(2026, 10, 31)
_DAYS = 730
_SERVICES = np.array([25.0, 40.0, 55.0, 70.0, 120.0])


def write_orders(path: Path, seed: int = 7) -> None:
    """Write the studio's orders as CSV: client_id, paid_at, sum.

    Clients arrive more often each month and in spring; each has a rhythm of visits and stays for a while, short
    for most and long for some. A few visits are refunded on the same day.
    """
    rng = np.random.default_rng(seed)
    arrival = np.sort(rng.choice(_DAYS, size=1400, p=_arrivals()))
    stay = rng.exponential(rng.gamma(1.2, 220.0, arrival.size))
    rhythm = rng.gamma(6.0, 5.0, arrival.size) + 7
    span = np.minimum(stay, _DAYS - 1 - arrival)
    visits = rng.poisson(span / rhythm)
    client = np.concatenate([np.arange(arrival.size), np.repeat(np.arange(arrival.size), visits)])
    later = np.repeat(arrival, visits) + np.ceil(rng.random(visits.sum()) * np.repeat(span, visits))
    day = np.concatenate([arrival, later]).astype(int)
    minute = rng.integers(9 * 60, 20 * 60, day.size)
    paid = rng.choice(_SERVICES, size=day.size, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    refunded = rng.random(day.size) < 0.01
    client, day = np.append(client, client[refunded]), np.append(day, day[refunded])
    minute, paid = np.append(minute, minute[refunded] + 30), np.append(paid, -paid[refunded])
    order = np.lexsort((client, minute, day))
    first = dt.datetime.combine(AS_OF, dt.time()) - dt.timedelta(days=_DAYS - 1)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["client_id", "paid_at", "sum"])
        for i in order:
            moment = first + dt.timedelta(days=int(day[i]), minutes=int(minute[i]))
            rows.writerow([f"client-{client[i] + 1:04d}", f"{moment:%Y-%m-%d %H:%M}", f"{paid[i]:.2f}"])


def _arrivals() -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    days = np.arange(_DAYS)
    weight = (1 + days / _DAYS) * (1 + 0.3 * np.sin(2 * np.pi * days / 365.25))
    return np.asarray(weight / weight.sum())
