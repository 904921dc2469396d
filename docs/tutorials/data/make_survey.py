"""Writes survey.csv, the invented survey of the tutorial "Did the score really fall?".

Three beauty salons ask their clients in the first and the second quarter of 2026. What is true of the data:

- Harbour gets worse: its clients wait longer in the second quarter. Park and Market stay as they were.
- Market, the salon with the lowest score, collects more of the answers in the second quarter than in the first.
- In the first quarter an administrator at Park, Chris, fills in forms himself, some seconds apart. Then he leaves.
- Some clients answer twice, in one quarter or in both; somebody who does is likely to be of the same mind.
- Some rows cannot be used, and the file was exported on 1 July, with answers of that day.

Run it with Python; the same file comes out each time. Only uniform numbers are drawn, because their stream is the
same in every version of numpy.
"""

import csv
import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

SEED = 4027  # of many, one whose chance effects do not hide what is described above
QUARTERS = (dt.date(2026, 1, 5), dt.date(2026, 4, 1), dt.date(2026, 7, 1))
OPENING, OPEN_HOURS = dt.time(10), 10

# Promoters, passives and detractors of each salon in the two quarters, and answers collected.
MINDS = {
    "Park": ((0.57, 0.29, 0.14), (0.57, 0.29, 0.14)),
    "Harbour": ((0.58, 0.28, 0.14), (0.44, 0.28, 0.28)),
    "Market": ((0.44, 0.31, 0.25), (0.44, 0.31, 0.25)),
}
SIZES = {"Park": (140, 125), "Harbour": (150, 140), "Market": (95, 170)}
ADMINS = {"Park": ("Ada", "Ben"), "Harbour": ("Dora", "Emil"), "Market": ("Fay", "Gus")}
FORGER, FORGED_AT = "Chris", "Park"
FORGED = {dt.date(2026, 1, 29): 7, dt.date(2026, 2, 12): 6, dt.date(2026, 2, 26): 9, dt.date(2026, 3, 26): 12}

# How often each whole answer is given within its class.
POINTS = (
    {6: 6, 5: 6, 4: 3, 3: 3, 2: 2, 1: 1, 0: 2},
    {8: 6, 7: 4},
    {10: 6, 9: 4},
)
# Reasons of detractors, passives and promoters; None leaves the question open.
REASONS: tuple[dict[str | None, int], ...] = (
    {"wait": 26, "price": 24, "staff": 12, "result": 14, "booking": 10, None: 14},
    {"price": 26, "wait": 18, "booking": 12, "staff": 8, "result": 10, None: 26},
    {"staff": 34, "result": 26, "booking": 6, "price": 8, "wait": 2, None: 24},
)
AFTER_WAITING: dict[str | None, int] = {"wait": 66, "price": 10, "staff": 6, "result": 6, "booking": 4, None: 8}
# Rating of each aspect by a neutral client, and how far it follows the answer.
RATINGS = {"service": (3.5, 0.34), "price": (3.3, 0.15), "booking": (3.4, 0.22)}

AGAIN_LATER, AGAIN_SOON, SAME_MIND = 0.25, 0.03, 0.6
UNANSWERED, OFF_SCALE, ANONYMOUS, NEXT_DAY = 6, 4, 2, 3
HEADER = (
    "client_id", "answered_at", "recommend", "reason", "may_contact", "salon", "admin", "visits", *RATINGS,
)  # fmt: skip

Row = dict[str, object]
T = TypeVar("T")


class Survey:
    """Draws the rows of the survey."""

    def __init__(self, seed: int) -> None:
        self.uniform = np.random.Generator(np.random.PCG64(seed)).random
        self.clients = (1000 + 2_671 * i % 9_000 for i in range(9_000))
        self.taken: set[dt.datetime] = set()

    def rows(self) -> list[Row]:
        """All rows, in the order of time."""
        rows = [self.forged(moment) for day, many in FORGED.items() for moment in self.closing_time(day, many)]
        for salon, sizes in SIZES.items():
            loyal: list[tuple[int, float]] = []
            for quarter, size in enumerate(sizes):
                people = loyal[:size] + [
                    (next(self.clients), float(self.uniform())) for _ in range(size - len(loyal[:size]))
                ]
                for client, mind in people:
                    when = self.some_time(QUARTERS[quarter], QUARTERS[quarter + 1])
                    rows.append(self.honest(client, when, salon, quarter, mind))
                    tomorrow = when.date() + dt.timedelta(days=1)
                    if self.uniform() < AGAIN_SOON and tomorrow < QUARTERS[quarter + 1]:
                        when = self.some_time(tomorrow, QUARTERS[quarter + 1])
                        rows.append(self.honest(client, when, salon, quarter, self.later(mind)))
                loyal = [(client, self.later(mind)) for client, mind in people if self.uniform() < AGAIN_LATER]
            if salon == "Market":
                for _ in range(NEXT_DAY):
                    when = self.some_time(QUARTERS[2], QUARTERS[2] + dt.timedelta(days=1))
                    rows.append(self.honest(next(self.clients), when, salon, 1, float(self.uniform())))
        rows += self.unusable()
        return sorted(rows, key=lambda row: str(row["answered_at"]))

    def honest(self, client: int, when: dt.datetime, salon: str, quarter: int, mind: float) -> Row:
        """What a client says; the lower ``mind``, a number from 0 to 1, the happier the client."""
        promoters, passives, _ = MINDS[salon][quarter]
        group = 2 if mind < promoters else 1 if mind < promoters + passives else 0
        answer = self.pick(POINTS[group])
        waited = salon == "Harbour" and quarter == 1 and group < 2
        row = {
            "client_id": client,
            "answered_at": when,
            "recommend": answer,
            "reason": self.pick(AFTER_WAITING if waited else REASONS[group]),
            "may_contact": self.pick({"true": 60, "false": 34, None: 6}),
            "salon": salon,
            "admin": ADMINS[salon][int(self.uniform() < 0.45)],
            "visits": 1 + int(12 * self.uniform() ** 2),
        }
        for aspect, (neutral, slope) in RATINGS.items():
            noise = 1.3 * (self.uniform() + self.uniform() + self.uniform() - 1.5)
            rating = round(min(max(neutral + slope * (answer - 7) + noise, 1), 5))
            row[aspect] = None if self.uniform() < 0.03 else rating
        return row

    def forged(self, moment: dt.datetime) -> Row:
        """What the administrator ticks himself: a high answer, and little else."""
        return {
            "client_id": next(self.clients),
            "answered_at": moment,
            "recommend": self.pick({10: 11, 9: 8, 8: 1}),
            "reason": self.pick({"staff": 1, None: 3}),
            "may_contact": "false",
            "salon": FORGED_AT,
            "admin": FORGER,
            "visits": 1 + int(12 * self.uniform() ** 2),
        } | dict.fromkeys(RATINGS)

    def unusable(self) -> list[Row]:
        """Rows with no answer, with an answer off the scale, and without a client."""
        rows = []
        for i in range(UNANSWERED + OFF_SCALE + ANONYMOUS):
            salon = list(SIZES)[i % len(SIZES)]
            row = self.honest(
                next(self.clients), self.some_time(QUARTERS[0], QUARTERS[2]), salon, 0, float(self.uniform())
            )
            if i < UNANSWERED:
                row["recommend"] = None
            elif i < UNANSWERED + OFF_SCALE:
                row["recommend"] = 11
            else:
                row["client_id"] = None
            rows.append(row)
        return rows

    def later(self, mind: float) -> float:
        """The mind of the same client at another time."""
        return mind if self.uniform() < SAME_MIND else float(self.uniform())

    def some_time(self, first: dt.date, end: dt.date) -> dt.datetime:
        """A moment within opening hours, before ``end`` and not on a Sunday; never the same one twice."""
        while True:
            day = first + dt.timedelta(days=int((end - first).days * self.uniform()))
            when = dt.datetime.combine(day, OPENING) + dt.timedelta(seconds=int(OPEN_HOURS * 3600 * self.uniform()))
            if day.weekday() < 6 and when not in self.taken:
                self.taken.add(when)
                return when

    def closing_time(self, day: dt.date, many: int) -> list[dt.datetime]:
        """Moments after the salon has closed, 3 to 8 seconds apart."""
        moments = [dt.datetime.combine(day, OPENING) + dt.timedelta(hours=OPEN_HOURS, minutes=int(30 * self.uniform()))]
        while len(moments) < many:
            moments.append(moments[-1] + dt.timedelta(seconds=3 + int(6 * self.uniform())))
        return moments

    def pick(self, weights: Mapping[T, int]) -> T:
        """One of the names, as often as its weight says."""
        edges = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(edges, edges[-1] * self.uniform(), side="right"))]


def main() -> None:
    """Write the file beside this script."""
    with Path(__file__).with_name("survey.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, HEADER, lineterminator="\n")
        table.writeheader()
        table.writerows(Survey(SEED).rows())


if __name__ == "__main__":
    main()
