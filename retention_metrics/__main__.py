"""The command line: ``python -m retention_metrics demo`` and ``python -m retention_metrics report``."""

import argparse
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from retention_metrics import __version__, report
from retention_metrics._demo import AS_OF, write_studio
from retention_metrics._files import opened
from retention_metrics._inputs import FILES, add_options, read_logs
from retention_metrics.errors import InvalidRows, InvalidValue, RetentionMetricsError, by_reason
from retention_metrics.report._language import Language
from retention_metrics.report._page import words

_WRONG_INPUT = 2
_STUDIO = {"margin_share": 0.6, "cash": 25_000.0, "fixed_costs": 6_000.0}
"""What the owner of the studio that does not exist knows beside the files."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 when the input is at fault."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "demo":
            options = _studio(parser, options)
        _report(options)
    except InvalidRows as error:
        hint = "mend them, or leave them out with --exclude-invalid"
        return _refuse(f"{error.rows:,} rows, of which unusable: {by_reason(error.counts)}; {hint}")
    except (RetentionMetricsError, OSError) as error:
        return _refuse(str(error).splitlines()[0])
    return 0


def _studio(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    """Write the files of the studio; the options of a report on all of them."""
    said = Language(options.language)
    with _slow(said.text("doing.studio")):
        files = write_studio(options.folder, seed=options.seed)
    print(said.say(words("done.files", files=", ".join(map(str, files.values())))) + "\n")
    line = ["report", "--as-of", str(AS_OF), "--title", said.text("title.studio"), "--language", options.language]
    for name, path in files.items():
        line += [f"--{name}", str(path)]
    for name, value in _STUDIO.items():
        line += [f"--{name.replace('_', '-')}", str(value)]
    page, numbers = (options.folder / f"demo-report.{ending}" for ending in ("html", "json"))
    return parser.parse_args([*line, "--html", str(page), "--json", str(numbers)])


def _report(options: argparse.Namespace) -> None:
    if options.file is not None:
        if options.orders is not None:
            raise InvalidValue(f"two files of orders: {options.file.name} and {options.orders.name}; give one")
        options.orders = options.file
    given = [getattr(options, name) for name in FILES if getattr(options, name) is not None]
    if not given:
        raise InvalidValue(f"there is nothing to report on: give a file, {', '.join(f'--{name}' for name in FILES)}")
    page = options.html or given[0].with_name(f"{given[0].stem}-report.html")
    said = Language(options.language)
    with opened(options.tz) as connection:
        logs = read_logs(connection, options, lambda name: _slow(said.say(words("doing.file", file=name))))
        built = report.build(
            **logs,
            as_of=options.as_of,
            title=options.title or said.say(words("title.file", file=given[0].name)),
            language=options.language,
            lost_after=options.lost_after,
            at_risk_after=options.at_risk_after,
            margin_share=options.margin_share,
            lag_days=options.lag_days,
            cash=options.cash,
            fixed_costs=options.fixed_costs,
            exponent=options.decimals,
            progress=_slow,
        )
    with _slow(said.text("doing.page")):
        page.write_text(built.to_html(), encoding="utf-8")
    if options.json is not None:
        text = json.dumps(built.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    print(built.to_text())
    print("\n" + said.say(words("done.page", page=page)))


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

    demo = commands.add_parser("demo", help="generate the files of a studio, and report on them")
    demo.add_argument("--folder", type=Path, default=Path(), help="where to write the files and the page")
    demo.add_argument("--seed", type=int, default=7, help="another seed, another studio")
    demo.add_argument("--language", choices=("en", "ru"), default="en", help="language of the report")

    own = commands.add_parser(
        "report", help="report on CSV or Parquet files: any of orders, subscriptions, survey, prepaid events, ads"
    )
    own.add_argument("file", type=Path, nargs="?", help="the file of orders, as --orders")
    own.add_argument("--as-of", required=True, help="last day that the files cover, as 2026-10-31")
    own.add_argument("--language", choices=("en", "ru"), default="en", help="language of the report")
    own.add_argument("--time-format", help="how times are written, if not 2026-10-31 14:30; for instance %%d.%%m.%%Y")
    own.add_argument("--tz", help="time zone of the business, for times that carry a zone; for instance Europe/Paris")
    own.add_argument("--lost-after", type=int, help="days without a purchase after which a customer is lost")
    own.add_argument("--at-risk-after", type=int, help="days without a purchase after which one is at risk")
    own.add_argument("--margin-share", type=float, help="share of the revenue left after variable costs, as 0.6")
    own.add_argument("--lag-days", type=int, default=0, help="days from advertising to the first order")
    own.add_argument("--cash", type=float, help="cash in hand, to be set against what is owed to customers")
    own.add_argument("--fixed-costs", type=float, help="fixed costs of a month, for the forecast of the cash")
    own.add_argument("--decimals", type=int, default=2, help="decimal places of the currency (default: 2)")
    own.add_argument("--exclude-invalid", action="store_true", help="leave unusable rows out, and count them")
    own.add_argument("--title", help="what the report is of")
    own.add_argument("--html", type=Path, help="where to write the page")
    own.add_argument("--json", type=Path, help="where to write the same figures for programs")
    add_options(own)
    return parser


if __name__ == "__main__":
    sys.exit(main())
