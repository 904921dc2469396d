"""Writes subscriptions.csv, the invented contracts of the tutorial "Do members who stay longer leave less?".

A gym sells contracts by the month, by the half-year and by the year, from January 2023 on. The file is exported in the
evening of 30 June 2026. What is true of the data:

- Who came by a January offer leaves sooner than others. Within one source and one plan nobody grows more loyal: the
  risk of leaving stays what it is.
- Monthly contracts run until they are cancelled. Contracts by the half-year and by the year end with their term and are
  renewed or not; each term has a row.
- The software writes the day of the export as the end of every monthly contract that is still running.
- Some members of monthly contracts switch to a yearly one; some of those who left come back weeks or months later.
- Some running terms are frozen. One manager, Cy, looks after most of the offers, and is no better and no worse.

Run it with Python; the same file comes out each time. Only uniform numbers are drawn, because their stream is the
same in every version of numpy.
"""

import csv
import datetime as dt
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

SEED = 37  # of many, one whose chance effects do not hide what is described above
OPENED, EXPORTED = dt.date(2023, 1, 1), dt.date(2026, 6, 30)
MONTH = 365.25 / 12

# Members won in a month by each source; offers are made in January and sell on in February.
WON = {"walk-in": 9, "friend": 6, "offer": 3}
OFFERED = {1: 34, 2: 16}
PLANS = {
    "walk-in": {"monthly": 52, "half-year": 18, "yearly": 30},
    "friend": {"monthly": 50, "half-year": 15, "yearly": 35},
    "offer": {"monthly": 86, "half-year": 6, "yearly": 8},
}
# Risk of leaving, per month for monthly contracts and per term for the others.
LEAVE = {
    "walk-in": {"monthly": 0.05, "half-year": 0.24, "yearly": 0.28},
    "friend": {"monthly": 0.04, "half-year": 0.18, "yearly": 0.22},
    "offer": {"monthly": 0.19, "half-year": 0.50, "yearly": 0.55},
}
TERMS = {"half-year": 6, "yearly": 12}
PRICES = {"monthly": 45, "half-year": 240, "yearly": 420}
OFFER_PRICE = 35
MANAGERS = {"offer": {"Ada": 1, "Bo": 1, "Cy": 8}, "other": {"Ada": 4, "Bo": 4, "Cy": 2}}
REASONS: dict[str, Mapping[str | None, int]] = {
    "offer": {"price": 46, "no time": 22, "moved": 8, "no results": 8, None: 16},
    "other": {"price": 16, "no time": 30, "moved": 24, "no results": 12, None: 18},
}
SWITCH, COMES_BACK, FROZEN = 0.008, 0.16, 0.07
HEADER = ("member", "source", "manager", "plan", "price", "starts", "ends", "frozen", "left_because")

Row = dict[str, object]
T = TypeVar("T")


class Gym:
    """Draws the contracts of the gym."""

    def __init__(self, seed: int) -> None:
        self.uniform = np.random.Generator(np.random.PCG64(seed)).random

    def rows(self) -> list[Row]:
        """All contracts, in the order of their start."""
        rows: list[Row] = []
        members = (2000 + 1_373 * i % 7_919 for i in range(7_919))
        for day, source in self.arrivals():
            member = next(members)
            manager = self.pick(MANAGERS["offer" if source == "offer" else "other"])
            plan = self.pick(PLANS[source])
            for stay in self.stays(day, source, plan):
                rows += [{"member": member, "source": source, "manager": manager} | row for row in stay]
        return sorted(rows, key=lambda row: (str(row["starts"]), str(row["member"])))

    def arrivals(self) -> Iterator[tuple[dt.date, str]]:
        """The day on which each member signs the first contract, and what brought them."""
        for index in range((EXPORTED.year - OPENED.year) * 12 + EXPORTED.month):
            month = index % 12 + 1
            for source, usual in WON.items():
                expected = OFFERED.get(month, 0) if source == "offer" else usual
                for _ in range(int(expected * (0.7 + 0.6 * self.uniform()) + self.uniform())):
                    yield dt.date(OPENED.year + index // 12, month, 1 + int(28 * self.uniform())), source

    def stays(self, day: dt.date, source: str, plan: str) -> Iterator[list[Row]]:
        """The contracts of one member, stay by stay."""
        while day < EXPORTED:
            stay = self.stay(day, source, plan)
            yield stay
            last = stay[-1]["ends"]
            if not isinstance(last, dt.date) or last >= EXPORTED or self.uniform() > COMES_BACK:
                return
            day, plan = last + dt.timedelta(days=14 + int(120 * self.uniform())), "monthly"

    def stay(self, day: dt.date, source: str, plan: str) -> list[Row]:
        """Contracts that follow one another without a gap."""
        rows = []
        price = OFFER_PRICE if source == "offer" and plan == "monthly" else PRICES[plan]
        if plan == "monthly":
            leaves = day + self.waiting(-math.log(1 - LEAVE[source][plan]))
            switches = day + self.waiting(SWITCH)
            end = min(leaves, switches, EXPORTED)
            rows.append({"plan": plan, "price": price, "starts": day, "ends": end, "frozen": "false"})
            if end == EXPORTED:
                return rows
            if end == leaves:
                rows[-1]["left_because"] = self.why(source)
                return rows
            day, plan, price = end, "yearly", PRICES["yearly"]
        while True:
            end = later(day, TERMS[plan])
            rows.append({"plan": plan, "price": price, "starts": day, "ends": end, "frozen": "false"})
            if end >= EXPORTED:
                rows[-1]["frozen"] = "true" if self.uniform() < FROZEN else "false"
                return rows
            if self.uniform() < LEAVE[source][plan]:
                rows[-1]["left_because"] = self.why(source)
                return rows
            day = end

    def waiting(self, risk: float) -> dt.timedelta:
        """Days until something happens that has the same risk in every month."""
        return dt.timedelta(days=1 + int(-math.log(1 - self.uniform()) / risk * MONTH))

    def why(self, source: str) -> str | None:
        """What the member says when leaving."""
        return self.pick(REASONS["offer" if source == "offer" else "other"])

    def pick(self, weights: Mapping[T, int]) -> T:
        """One of the names, as often as its weight says."""
        edges = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(edges, edges[-1] * self.uniform(), side="right"))]


def later(day: dt.date, months: int) -> dt.date:
    """The same day so many months on; days go up to 28 when contracts begin, and others move to the 28th."""
    years, month = divmod(day.month - 1 + months, 12)
    return dt.date(day.year + years, month + 1, min(day.day, 28))


def main() -> None:
    """Write the file beside this script."""
    with Path(__file__).with_name("subscriptions.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, HEADER, lineterminator="\n")
        table.writeheader()
        table.writerows(Gym(SEED).rows())


if __name__ == "__main__":
    main()
