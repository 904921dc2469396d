"""The command line: ``python -m retention_metrics demo`` and ``python -m retention_metrics report FILE``."""

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from retention_metrics import __version__, report
from retention_metrics._demo import AS_OF, write_orders
from retention_metrics._files import orders_table
from retention_metrics.errors import InvalidRows, RetentionMetricsError, by_reason
from retention_metrics.logs import Transactions

_WRONG_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 when the input is at fault."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "demo":
            options.folder.mkdir(parents=True, exist_ok=True)
            options.file = options.folder / "demo-orders.csv"
            write_orders(options.file, seed=options.seed)
            print(f"Orders of a studio that does not exist: {options.file}\n")
        _report(options)
    except InvalidRows as error:
        hint = "mend them, or leave them out with --exclude-invalid"
        return _refuse(f"{error.rows:,} rows, of which unusable: {by_reason(error.counts)}; {hint}")
    except (RetentionMetricsError, OSError) as error:
        return _refuse(str(error))
    return 0


def _report(options: argparse.Namespace) -> None:
    page = options.html or options.file.with_name(f"{options.file.stem}-report.html")
    with (
        _slow(f"reading {options.file.name}") as loaded,
        orders_table(
            options.file,
            customer=options.customer,
            time=options.time,
            amount=options.amount,
            tz=options.tz,
            time_format=options.time_format,
        ) as table,
    ):
        loaded.set()
        orders = Transactions(
            table,
            customer="customer",
            time="time",
            amount=None if options.amount is None else "amount",
            week_start="monday",
            on_invalid="exclude" if options.exclude_invalid else "raise",
        )
        built = report.build(
            orders,
            as_of=options.as_of,
            title=options.title or f"Customers of {options.file.name}",
            lost_after=options.lost_after,
            at_risk_after=options.at_risk_after,
            margin_share=options.margin_share,
            progress=_slow,
        )
    page.write_text(built.to_html(), encoding="utf-8")
    print(built.to_text())
    print(f"\nThe same as a page: {page}")


@contextmanager
def _slow(what: str) -> Iterator[threading.Event]:
    """Say what is going on, on the error stream, when it takes longer than a second."""
    done = threading.Event()
    end = "\r" if sys.stderr.isatty() else "\n"

    def tell() -> None:
        seconds = 0
        while not done.wait(1.0):
            seconds += 1
            if sys.stderr.isatty() or seconds in {1, 10, 60, 600}:
                print(f"{what} ... {seconds} s ", end=end, file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield done
    finally:
        done.set()
        teller.join()


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return _WRONG_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m retention_metrics", description="Reports on a customer base.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="generate the orders of a studio, and report on them")
    demo.add_argument("--folder", type=Path, default=Path(), help="where to write the orders and the page")
    demo.add_argument("--seed", type=int, default=7, help="another seed, another studio")
    demo.set_defaults(
        customer="client_id",
        time="paid_at",
        amount="sum",
        as_of=AS_OF,
        tz=None,
        time_format=None,
        html=None,
        lost_after=None,
        at_risk_after=None,
        margin_share=0.6,
        exclude_invalid=False,
        title="A beauty studio",
    )

    own = commands.add_parser("report", help="report on a CSV or Parquet file of orders")
    own.add_argument("file", type=Path, help="one row an order")
    own.add_argument("--customer", required=True, help="column of customer ids")
    own.add_argument("--time", required=True, help="column of the time of purchase")
    own.add_argument("--amount", help="column of the money paid")
    own.add_argument("--as-of", required=True, help="last day that the file covers, as 2026-10-31")
    own.add_argument("--time-format", help="how times are written, if not 2026-10-31 14:30; for instance %%d.%%m.%%Y")
    own.add_argument("--tz", help="time zone of the business, for times that carry a zone; for instance Europe/Paris")
    own.add_argument("--lost-after", type=int, help="days without a purchase after which a customer is lost")
    own.add_argument("--at-risk-after", type=int, help="days without a purchase after which one is at risk")
    own.add_argument("--margin-share", type=float, help="share of the revenue left after variable costs, as 0.6")
    own.add_argument("--exclude-invalid", action="store_true", help="leave unusable rows out, and count them")
    own.add_argument("--title", help="what the report is of")
    own.add_argument("--html", type=Path, help="where to write the page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
