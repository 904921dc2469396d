"""Writes studio.csv and studio_notes.csv, the invented studio of the tutorial "Whom to win back?".

A yoga studio sells cards of classes. What is true of the data:

- From January 2025 to June 2026 some 25 clients begin in each month. They buy a card every two weeks to seven weeks,
  each at a rhythm of his or her own, and after each card 12 % stop.
- Of those who stop three in ten come back, most of them within half a year.
- Of those away for more than sixty days the staff knows something: for a third the studio was at fault (a class
  cancelled, a teacher replaced), for most nobody was, and a few had worn out the staff.

Run it with Python; the same files come out each time. Only uniform numbers are drawn, because their stream is the
same in every version of numpy.
"""

import csv
import datetime as dt
import math
from pathlib import Path

import numpy as np

SEED = 5  # of many, one whose chance effects do not hide what is described above
OPENED, LAST_DAY = dt.date(2025, 1, 2), dt.date(2026, 6, 30)
A_MONTH = 25
STOPS, RETURNS, BREAK = 0.12, 0.3, 150.0
PRICES = {"card of 4": 48, "card of 8": 88, "card of 12": 120}
NAMES_OF_PRICES = ("card of 4",) * 5 + ("card of 8",) * 3 + ("card of 12",) * 2
QUIET = 60  # days after which the staff writes a note

# What the staff knows: how often, whose fault, hours a month that such a client takes beyond others.
REASONS = {
    "class cancelled at the door": (14, "ours", 0.0),
    "favourite teacher replaced": (12, "ours", 0.0),
    "charged twice": (6, "ours", 0.0),
    "moved away": (10, "theirs", 0.0),
    "no time": (22, "theirs", 0.0),
    "not known": (26, "theirs", 0.0),
    "late and loud, complaints of others": (6, "theirs", 2.5),
    "haggles at every card": (4, "theirs", 1.0),
}

Row = dict[str, object]


class Studio:
    """Draws the clients of the studio."""

    def __init__(self, seed: int) -> None:
        self.uniform = np.random.Generator(np.random.PCG64(seed)).random
        self.numbers = (1000 + 2_671 * i % 9_000 for i in range(9_000))

    def clients(self) -> tuple[list[Row], list[Row]]:
        """All purchases, and a note for everybody who has been away for long."""
        purchases, notes = [], []
        months = (LAST_DAY - OPENED).days / 30.4
        for i in range(int(A_MONTH * months)):
            client, card = next(self.numbers), NAMES_OF_PRICES[int(10 * self.uniform())]
            rhythm = 14 + 36 * self.uniform()
            day = last = OPENED + dt.timedelta(days=int(30.4 * i / A_MONTH))
            while day <= LAST_DAY:
                last = day
                purchases.append({"client": client, "paid_on": day, "card": card, "paid": PRICES[card]})
                if self.uniform() >= STOPS:
                    day += dt.timedelta(days=max(round(rhythm * (0.6 + 0.8 * self.uniform())), 1))
                elif self.uniform() < RETURNS:
                    day += dt.timedelta(days=round(rhythm - BREAK * math.log(self.uniform())))
                else:
                    break
            if last < LAST_DAY - dt.timedelta(days=QUIET):
                notes.append(self.note(client))
        return sorted(purchases, key=lambda row: str(row["paid_on"])), notes

    def note(self, client: int) -> Row:
        """Why the client left, as far as the staff knows."""
        edges = np.cumsum([often for often, _, _ in REASONS.values()])
        place = int(np.searchsorted(edges, edges[-1] * self.uniform(), side="right"))
        reason = list(REASONS)[place]
        _, fault, hours = REASONS[reason]
        return {"client": client, "reason": reason, "fault": fault, "extra_hours": hours}


def write(name: str, rows: list[Row]) -> None:
    """Write a file beside this script."""
    with Path(__file__).with_name(name).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    """Write both files."""
    purchases, notes = Studio(SEED).clients()
    write("studio.csv", purchases)
    write("studio_notes.csv", notes)


if __name__ == "__main__":
    main()
