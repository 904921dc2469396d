"""Writes salon_clients.csv and salon_spend.csv, the invented salon of the tutorial "Is this advertising paying?".

A hair salon sells monthly cards. From September 2025 to August 2026 it advertises. What is true of the data:

- An agency places search advertisements for 260 a month. Most who see one come a month later, so September and October
  look poor; from November on there are 150 clients in ten months, 15 a month.
- Clients from searches, from leaflets and from friends leave at 8 % a month, clients of a coupon portal at 45 %.
- In March the salon doubles its leaflets, and they bring half as many clients again.
- From June on a third phrase is bid for, and nobody comes by it.
- A video channel costs 60 a month, and brings a few inquiries more from month to month.

Run it with Python; the same files come out each time. Only uniform numbers are drawn, because their stream is the
same in every version of numpy.
"""

import calendar
import csv
import datetime as dt
from pathlib import Path

import numpy as np

SEED = 39  # of many, one whose chance effects do not hide what is described above
MONTHS = [dt.date(2025 + (8 + i) // 12, (8 + i) % 12 + 1, 1) for i in range(12)]
LAST_DAY = dt.date(2026, 8, 31)

# Clients won in each month, from September to August.
WON = {
    "haircut near me": (2, 4, 5, 5, 6, 5, 5, 6, 4, 6, 4, 5),
    "hair colouring": (3, 7, 10, 9, 10, 10, 10, 11, 9, 10, 10, 10),
    "leaflets": (3, 3, 4, 2, 3, 3, 5, 4, 4, 5, 4, 5),
    "coupon portal": (9, 11, 10, 8, 12, 10, 9, 11, 10, 10, 11, 9),
    "friends": (2, 2, 3, 1, 4, 3, 3, 4, 3, 4, 5, 4),
}
CHURN = {"coupon portal": 0.45}
OTHERS = 0.08

SPEND = {
    "haircut near me": (90,) * 9 + (50,) * 3,
    "hair colouring": (170,) * 9 + (110,) * 3,
    "wedding hairstyle": (0,) * 9 + (100,) * 3,
    "leaflets": (150,) * 6 + (300,) * 6,
    "coupon portal": (150,) * 12,
    "video": (0,) * 7 + (60,) * 5,
}
LEADS = {"video": (0,) * 7 + (1, 2, 2, 3, 5)}

Row = dict[str, object]


def month_later(day: dt.date) -> dt.date:
    """The same day of the next month, or its last."""
    year, month = day.year + day.month // 12, day.month % 12 + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def clients(seed: int) -> list[Row]:
    """One row a client: when the first card began, and when the last one was not renewed, if it was not."""
    uniform = np.random.Generator(np.random.PCG64(seed)).random
    numbers = (1000 + 2_671 * i % 9_000 for i in range(9_000))
    rows: list[Row] = []
    for source, counts in WON.items():
        for first, count in zip(MONTHS, counts, strict=True):
            for _ in range(count):
                came = first + dt.timedelta(days=int(28 * uniform()))
                ends: dt.date | None = month_later(came)
                while ends is not None and uniform() >= CHURN.get(source, OTHERS):
                    ends = month_later(ends)
                    ends = None if ends > LAST_DAY else ends
                ends = None if ends is None or ends > LAST_DAY else ends
                rows.append({"client": next(numbers), "came": came, "ends": ends, "source": source, "paid": 25})
    return sorted(rows, key=lambda row: str(row["came"]))


def spend() -> list[Row]:
    """One row a month and channel with spend."""
    return [
        {"month": month, "source": source, "spend": money[i], "leads": LEADS[source][i] if source in LEADS else None}
        for i, month in enumerate(MONTHS)
        for source, money in SPEND.items()
        if money[i]
    ]


def write(name: str, rows: list[Row]) -> None:
    """Write a file beside this script."""
    with Path(__file__).with_name(name).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    """Write both files."""
    write("salon_clients.csv", clients(SEED))
    write("salon_spend.csv", spend())


if __name__ == "__main__":
    main()
