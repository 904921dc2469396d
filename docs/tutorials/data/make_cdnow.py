"""Writes cdnow.csv, the purchases of the tutorial "Who is still a customer?".

The purchases are real. CDNOW sold compact discs on the internet; the data are the 2,357 customers of a systematic
1-in-10 sample of those who bought there for the first time in the first quarter of 1997, with all their purchases up
to the end of June 1998. Peter Fader and Bruce Hardie made them known: "Forecasting repeat sales at CDNOW: a case
study", Interfaces 31(3), 2001, S94-S107.

They are read from CDNOW_sample.txt in the PyPI package lifetimes 0.11.3 (MIT licence, (c) 2015 Cameron Davidson-Pilon),
of which nothing is imported. A line there has the number in the full set, the number in the sample, the day, how many
discs, and dollars. The columns written are customer, date and amount.
"""

import csv
import datetime as dt
from importlib.metadata import files
from pathlib import Path

SOURCE = "CDNOW_sample.txt"


def main() -> None:
    """Write the file beside this script."""
    (source,) = (Path(str(path.locate())) for path in files("lifetimes") or [] if path.name == SOURCE)
    lines = [line.split() for line in source.read_text(encoding="utf-8").splitlines()]
    with Path(__file__).with_name("cdnow.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("customer", "date", "amount"))
        for _, customer, day, _, amount in lines:
            table.writerow((customer, dt.datetime.strptime(day, "%Y%m%d").date(), f"{float(amount):.2f}"))  # noqa: DTZ007


if __name__ == "__main__":
    main()
