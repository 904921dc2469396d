"""Writes prepaid.csv, the invented nail salon of the tutorial "The money that came in is not earned yet".

The salon sells ten manicures at once, and courses of six facials. What is true of the data:

- From January 2025 on some twenty packages are sold in a month, in December 2025 three times as many, and afterwards
  fewer. Who has used up a package buys another one in six of ten cases.
- Clients come every two to four weeks. After a visit one in fourteen stays away for five to nine months, and one in
  thirty for good.
- Ten manicures last for ever, and whoever asks gets the rest of the money back. Six facials have to be used within six
  months, and what is left is forfeited.
- Some clients pay in two halves, and some have their course paused.
- The file has faults: the rows of one evening were exported twice, an id stands for two visits, some clients were let
  in after their course had ended or their ten manicures were used up, one day is mistyped, and one refund is too large.

Run it with Python; the same file comes out each time. Only uniform numbers are drawn, because their stream is the
same in every version of numpy.
"""

import csv
import datetime as dt
from pathlib import Path

import numpy as np

SEED = 11  # of many, one whose chance effects do not hide what is described above
OPENED, LAST_DAY = dt.date(2025, 1, 7), dt.date(2026, 6, 30)
NEW = (16, 18, 20, 18, 17, 16, 14, 15, 18, 19, 20, 62, 8, 8, 9, 10, 10, 9)
MANICURES, FACIALS = "ten manicures", "six facials"
PRICES = {MANICURES: 15_000, FACIALS: 12_000}
SESSIONS = {MANICURES: 10, FACIALS: 6}
GOOD_FOR = 180  # days within which facials are surely still good
FACIAL, AGAIN, HALVES = 0.3, 0.6, 0.08
AWAY, GONE, REFUND, PAUSED, UNNAMED = 1 / 14, 1 / 30, 0.012, 0.02, 0.05
HEADER = ("id", "what", "day", "card", "client", "plan", "paid", "until")

Row = dict[str, object]


class Salon:
    """Draws the till roll of the salon."""

    def __init__(self, seed: int) -> None:
        self.uniform = np.random.Generator(np.random.PCG64(seed)).random
        self.numbers = (1000 + 2_671 * i % 9_000 for i in range(9_000))
        self.cards = iter(range(1, 10_000))
        self.rows: list[Row] = []

    def sell_and_serve(self) -> None:
        """Every client from the first package to the last."""
        for i, many in enumerate(NEW):
            first = dt.date(2025 + i // 12, i % 12 + 1, 1)
            for _ in range(many):
                client = next(self.numbers)
                day = max(OPENED, first + dt.timedelta(days=int(27 * self.uniform())))
                plan = FACIALS if self.uniform() < FACIAL else MANICURES
                goes_on = True
                while goes_on and day <= LAST_DAY:
                    ended = self.package(client, plan, day)
                    goes_on = ended is not None and self.uniform() < AGAIN
                    if ended is not None:
                        day = ended

    def package(self, client: int, plan: str, day: dt.date) -> dt.date | None:
        """One package; the day on which another one may be bought."""
        card = next(self.cards)
        price = PRICES[plan]
        halves = self.uniform() < HALVES
        self.row("sale", day, card, client, plan, price // 2 if halves else price)
        if halves:
            self.row("second half", day + dt.timedelta(days=30), card, client, paid=price // 2)
        rhythm = 12 + 18 * self.uniform()
        last = day + dt.timedelta(days=GOOD_FOR if plan == FACIALS else 10_000)
        resting = False
        for used in range(SESSIONS[plan]):
            if used and not resting and plan == FACIALS and self.uniform() < PAUSED:
                self.row("pause", day + dt.timedelta(days=1), card, client, until=day + dt.timedelta(days=21))
                day, resting = day + dt.timedelta(days=21), True
            if used and self.uniform() < GONE:
                return None
            if used and plan == MANICURES and self.uniform() < REFUND:
                self.row("money back", day + dt.timedelta(days=10), card, client)
                return None
            pause = 150 + 120 * self.uniform() if used and self.uniform() < AWAY else 0.0
            day += dt.timedelta(days=max(1, int(pause + rhythm * (0.6 + 0.8 * self.uniform()))))
            if day > last or day > LAST_DAY:
                return None
            named = plan == FACIALS or self.uniform() >= UNNAMED
            self.row("visit", day, card if named else None, client)
        return day + dt.timedelta(days=1 + int(20 * self.uniform()))

    def row(
        self,
        what: str,
        day: dt.date,
        card: int | None,
        client: int,
        plan: str | None = None,
        paid: int | None = None,
        until: dt.date | None = None,
    ) -> None:
        """One row of the till, if it is not in the future."""
        if day <= LAST_DAY:
            money = None if paid is None else f"{paid}.00"
            row = (what, day, card, client, plan, money, until)
            self.rows.append(dict(zip(HEADER[1:], row, strict=True)))


def numbered(rows: list[Row]) -> list[Row]:
    """The rows in the order of time, each with a number of its own."""
    order = {"sale": 0, "second half": 1, "pause": 2, "visit": 3, "money back": 4}
    rows = sorted(rows, key=lambda row: (str(row["day"]), order[str(row["what"])], str(row["client"])))
    return [{"id": 20_001 + i} | row for i, row in enumerate(rows)]


def with_faults(rows: list[Row]) -> list[Row]:
    """The rows with the faults of a real file in them; ids and places are fixed, nothing is drawn."""
    rows = [row | {} for row in rows]
    by_card: dict[object, list[Row]] = {}
    for row in rows:
        if row["card"] is not None:
            by_card.setdefault(row["card"], []).append(row)
    used_up, ended = [], []
    for card, life in sorted(by_card.items(), key=lambda item: str(item[1][0]["id"])):
        plan, visits = life[0]["plan"], [row for row in life if row["what"] == "visit"]
        if plan == MANICURES and len(visits) == SESSIONS[MANICURES]:
            used_up.append((card, visits[-1]))
        elif plan == FACIALS and len(visits) < SESSIONS[FACIALS] and not any(row["until"] for row in life):
            ended.append((card, life[0]))
    number = int(str(rows[-1]["id"]))

    def add(last: Row, day: dt.date, **changes: object) -> None:
        nonlocal number
        number += 1
        rows.append(last | {"id": number, "what": "visit", "day": day, "plan": None, "paid": None} | changes)

    for card, last in (used_up[4], used_up[20]):
        add(last, day_of(last) + dt.timedelta(days=9), card=card)
    for (card, sale), days in zip((ended[2], ended[6], ended[11], ended[14]), (189, 193, 190, 231), strict=True):
        add(sale, day_of(sale) + dt.timedelta(days=days), card=card)
    visits = [row for row in rows if row["what"] == "visit" and row["card"] is not None]
    visits[300]["day"] = day_of(visits[300]).replace(year=2024)
    visits[700]["card"] = 9_000 + int(str(visits[700]["card"]))
    visits[1_100]["id"] = visits[1_099]["id"]
    refunds = [row for row in rows if row["what"] == "money back"]
    refunds[3]["paid"] = f"{PRICES[MANICURES]}.00"
    evening = [row for row in rows if row["day"] == dt.date(2026, 4, 13)]
    return sorted(rows + evening, key=lambda row: str(row["id"]))


def day_of(row: Row) -> dt.date:
    """The day of a row."""
    return dt.date.fromisoformat(str(row["day"]))


def main() -> None:
    """Write the file beside this script."""
    salon = Salon(SEED)
    salon.sell_and_serve()
    with Path(__file__).with_name("prepaid.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, HEADER, lineterminator="\n")
        table.writeheader()
        table.writerows(with_faults(numbered(salon.rows)))


if __name__ == "__main__":
    main()
