"""The command line, and the files that it reads."""

import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from retention_metrics import __main__ as command
from retention_metrics import _demo

HEADER = "client_id,paid_at,sum\n"
GOOD = "007,2026-01-05,30\n007,2026-02-04,40\n8,2026-02-10,25\n"
COLUMNS = ["--customer", "client_id", "--time", "paid_at", "--amount", "sum", "--as-of", "2026-02-28"]


@pytest.fixture
def run(tmp_path, capsys):
    def run_(content, *extra, columns=COLUMNS, name="orders.csv"):
        path = tmp_path / name
        if content is not None:
            path.write_text(content, encoding="utf-8")
        code = command.main(["report", str(path), *columns, *extra])
        shown = capsys.readouterr()
        return code, " ".join(shown.out.split()), shown.err

    return run_


def refused(result, *parts):
    code, out, err = result
    assert code == 2
    assert out == ""
    # On a busy machine a step may take long enough to be told of.
    err = "".join(line for line in err.splitlines(keepends=True) if " ... " not in line)
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    return True


def test_a_csv_file_is_reported_on(run, tmp_path):
    code, out, _ = run(HEADER + GOOD)
    assert code == 0
    assert "Customers 2 " in out
    assert "Revenue 95.00 " in out
    assert (tmp_path / "orders-report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("title", ["", "client_id,paid_at,sum,source\n"])
def test_lines_with_other_columns_are_not_left_out_unasked(run, title):
    before = HEADER + "".join(f"c{i},2024-01-{1 + i % 28:02},10\n" for i in range(40))
    after = "".join(f"c{i},2024-02-{1 + i % 28:02},10,shop\n" for i in range(60))
    assert refused(run(before + title + after), "line 42 has other columns than the 41 before it", "take them out")


def test_a_parquet_file_is_reported_on(run, tmp_path):
    source = tmp_path / "source.csv"
    source.write_text(HEADER + GOOD, encoding="utf-8")
    duckdb.sql(f"COPY (FROM '{source}') TO '{tmp_path / 'orders.parquet'}'")
    code, out, _ = run(None, "--html", str(tmp_path / "page.html"), name="orders.parquet")
    assert code == 0
    assert "Revenue 95.00 " in out
    assert (tmp_path / "page.html").is_file()


def test_ids_stay_as_they_are_written(run):
    """007 and 7 are two customers: leading zeros are part of an id."""
    _, out, _ = run(HEADER + "007,2026-01-05,30\n7,2026-01-06,30\n")
    assert "Customers 2 " in out


def test_days_in_a_format_of_their_own(run):
    content = HEADER + "a,05.01.2026,30\na,04.02.2026,40\n"
    assert refused(run(content), "'paid_at'", "2 of 2 values cannot be read", "row 1", "'05.01.2026'", "--time-format")
    code, out, _ = run(content, "--time-format", "%d.%m.%Y")
    assert code == 0
    assert "from 2026-01-05 to 2026-02-04" in out
    assert refused(run(content + "a,2026-02-30,1\n", "--time-format", "%d.%m.%Y"), "1 of 3", "row 3", "--time-format")


def test_times_with_a_zone_need_the_zone_of_the_business(run):
    """23:30 in New York on 31 January is already February in UTC."""
    content = HEADER + "a,2026-02-01T04:30:00Z,30\na,2026-02-10T12:00:00+00:00,30\n"
    assert refused(run(content), "the times carry a time zone", "--tz")
    code, out, _ = run(content, "--tz", "America/New_York")
    assert code == 0
    assert "from 2026-01-31 to 2026-02-10" in out
    assert refused(run(content + "a,2026-02-11 10:00,1\n", "--tz", "UTC"), "2 times carry a time zone and 1 do not")
    assert refused(run(HEADER + GOOD, "--tz", "UTC"), "no time zone", "leave --tz out")
    assert refused(run(content, "--tz", "Mars/Olympus"), "tz must be an IANA time zone")


@pytest.mark.parametrize(
    ("content", "extra", "parts"),
    [
        (None, (), ("orders.csv: no such file",)),
        (HEADER + GOOD, ("--customer", "client"), ("no column 'client' (--customer)", "nearest is 'client_id'")),
        (HEADER + "a,yesterday,3\n", (), ("'paid_at'", "1 of 1 values cannot be read", "'yesterday'")),
        (HEADER + 'a,2026-01-05,"1 200,50"\n', (), ("'sum'", "'1 200,50'", "write amounts as 1234.50")),
        (HEADER, (), ("the log is empty",)),
        ("", (), ("orders.csv",)),
        (HEADER + GOOD, ("--as-of", "28.02.2026"), ("as_of must be a day like '2026-10-31'",)),
        (HEADER + GOOD, ("--as-of", "2025-12-31"), ("no usable row up to as_of 2025-12-31", "3 after as_of")),
        (HEADER + GOOD, ("--margin-share", "60"), ("margin_share must be a fraction",)),
        (HEADER + GOOD, ("--lost-after", "-1"), ("lost_after must be a whole number >= 0",)),
        (HEADER + GOOD + ",2026-01-05,1\n", (), ("4 rows", "1 null customer", "--exclude-invalid")),
        (HEADER + GOOD + "a,,1\n", (), ("1 null time",)),
        (HEADER + GOOD + "a,2026-01-05,\n", (), ("1 amount missing or not finite",)),
        (HEADER + GOOD + "a,2026-01-05,nan\n", (), ("1 amount missing or not finite",)),
        (HEADER + GOOD, ("--html", "/nowhere/page.html"), ("/nowhere",)),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_two(run, content, extra, parts):
    assert refused(run(content, *extra), *parts)


def test_a_file_of_another_kind_is_refused(run):
    assert refused(run("x", name="orders.xlsx"), "must end in .csv")


def test_a_damaged_parquet_file_is_refused(run):
    assert refused(run("not parquet", name="orders.parquet"), "orders.parquet cannot be read")


def test_unusable_rows_can_be_left_out_and_are_counted(run):
    code, out, _ = run(HEADER + GOOD + ",2026-01-05,1\na,,1\n", "--exclude-invalid")
    assert code == 0
    assert "Left out of everything below: 1 null customer, 1 null time (rows of the log)." in out


def test_column_names_and_paths_are_taken_literally(run, tmp_path):
    columns = ["--customer", 'who "am" I', "--time", "it's", "--as-of", "2026-02-28"]
    content = '"who ""am"" I",it\'s\nann,2026-01-05\n'
    code, out, _ = run(content, columns=columns, name="o'rders; --.csv")
    assert code == 0
    assert "Customers 1 " in out


def test_arguments_that_are_missing_are_exit_code_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["report", "orders.csv"])
    assert stopped.value.code == 2
    assert "--as-of" in capsys.readouterr().err


def test_the_demo_runs_as_a_program(tmp_path):
    line = [sys.executable, "-W", "error", "-m", "retention_metrics", "demo", "--folder", "one"]
    shown = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "A beauty studio, as of 2026-10-31" in shown
    assert "Lifetime value" in shown
    assert "Net Promoter Score" in shown
    assert "belongs to customers" in shown
    names = ("ads.csv", "orders.csv", "plans.json", "prepaid.csv", "report.html", "report.json", "subscriptions.csv")
    assert {f"demo-{name}" for name in names} <= {path.name for path in (tmp_path / "one").iterdir()}


SURVEY = "client_id,answered_at,score,agreed\na,2026-01-05,9,yes\nb,2026-02-04,3,no\nc,2026-02-05,6,1\n"
SUBSCRIPTIONS = "who,start,end,price\na,2026-01-01,,30\nb,2026-01-01,2026-02-10,20\n"
PREPAID = "kind,date,package,customer,plan,amount\npurchase,2026-01-05,p1,a,ten,{}\nvisit,2026-01-09,p1,a,,\n"
PLANS = [{"id": "ten", "price": 10_000, "sessions": 10, "cost_per_session": 500}]
AS_OF = ["report", "--as-of", "2026-02-28"]


@pytest.fixture
def report_on(tmp_path, capsys):
    """Run a report on files by the options that name them; a text, or what a JSON file holds."""

    def run_(*extra, **files):
        line = list(AS_OF)
        for option, content in files.items():
            path = tmp_path / (f"{option}.json" if option == "plans" else f"{option}.csv")
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
            line += [f"--{option}", str(path)]
        code = command.main([*line, *extra])
        shown = capsys.readouterr()
        return code, " ".join(shown.out.split()), shown.err

    return run_


def test_a_survey_is_reported_on(report_on, tmp_path):
    code, out, _ = report_on(survey=SURVEY)
    assert code == 0
    assert "Answers 3 the latest" in out
    assert "Detractors to call 1 " in out
    assert "Can the answers be trusted: name the column that says who collected an answer (--survey-agent)." in out
    assert (tmp_path / "survey-report.html").is_file()


def test_columns_of_other_files_can_be_named(report_on):
    assert refused(report_on(subscriptions=SUBSCRIPTIONS), "no column 'client_id' (--subscriptions-customer)")
    named = ("--subscriptions-customer", "who", "--subscriptions-amount", "price")
    code, out, _ = report_on(*named, subscriptions=SUBSCRIPTIONS)
    assert code == 0
    assert "Subscribers 1 " in out
    assert "Recurring revenue a month 30.00" in out
    assert refused(report_on(*named, "--subscriptions-plan", "tariff", subscriptions=SUBSCRIPTIONS), "'tariff'")


def test_prepaid_money_is_in_cents_unless_told(report_on):
    code, out, _ = report_on("--cash", "120", prepaid=PREPAID.format("10000"), plans=PLANS)
    assert code == 0
    assert "Cash in hand 120.00, of which 90.00 belongs to customers: 30.00 is yours." in out
    code, again, _ = report_on("--cash", "120", "--prepaid-units", prepaid=PREPAID.format("100.00"), plans=PLANS)
    assert code == 0
    assert out.split("Customers of")[1].split("page:")[0] == again.split("Customers of")[1].split("page:")[0]
    assert refused(report_on(prepaid=PREPAID.format("100.50"), plans=PLANS), "'100.50'", "--prepaid-units")


def test_a_book_too_thin_for_a_forecast_says_so(report_on):
    _, out, _ = report_on("--cash", "9", "--fixed-costs", "5", prepaid=PREPAID.format("10000"), plans=PLANS)
    assert "No answer: the book is too thin to say when customers come back" in out


@pytest.mark.parametrize(
    ("files", "extra", "parts"),
    [
        ({}, (), ("nothing to report on", "--survey")),
        ({"ads": "month,channel,spend\n2026-01,maps,5\n"}, (), ("nothing to report on",)),
        ({"prepaid": PREPAID.format("")}, (), ("prepaid.csv needs the plans", "--plans")),
        ({"prepaid": PREPAID.format(""), "plans": "{"}, (), ("plans.json cannot be read as a list of plans",)),
        ({"prepaid": PREPAID.format(""), "plans": [{"id": "ten"}]}, (), ("0.price: Field required",)),
        ({"survey": SURVEY, "plans": PLANS}, (), ("plans.json belongs to a file of events",)),
        ({"survey": SURVEY.replace("yes", "perhaps")}, (), ("'agreed'", "'perhaps'", "write yes or no")),
        ({"survey": SURVEY.replace(",3,", ",eleven,")}, (), ("'score'", "'eleven'")),
        ({"survey": SURVEY.replace(",3,", ",11,")}, (), ("3 rows", "--exclude-invalid")),
        ({"orders": HEADER + GOOD}, ("--json", "/nowhere/a.json"), ("/nowhere",)),
    ],
)
def test_other_files_that_are_wrong_are_refused_in_one_line(report_on, files, extra, parts):
    assert refused(report_on(*extra, **files), *parts)


def test_orders_are_given_once(report_on, tmp_path):
    assert refused(report_on(str(tmp_path / "more.csv"), orders=HEADER + GOOD), "two files of orders")


def test_numbers_are_written_beside_the_page_in_russian(report_on, tmp_path):
    code, out, _ = report_on("--language", "ru", "--json", str(tmp_path / "a.json"), orders=HEADER + GOOD)
    assert code == 0
    assert "Выручка 95,00 " in out
    numbers = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    figures = {each["name"]: each for each in numbers["sections"][1]["figures"]}
    assert (figures["revenue"]["value"], figures["revenue"]["label"]) == (95.0, "Выручка")


def test_the_example_reads_what_the_demo_writes(tmp_path):
    _demo.write_orders(tmp_path / "orders.csv")
    example = Path(__file__).parents[1] / "examples" / "orders_in_duckdb.py"
    line = [sys.executable, str(example), str(tmp_path / "orders.csv")]
    shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    orders = (tmp_path / "orders.csv").read_text(encoding="utf-8").splitlines()[1:]
    clients = {order.split(",")[0] for order in orders}
    pooled = next(line for line in shown.splitlines() if line.startswith("pooled"))
    assert pooled.split()[1] == f"{len(clients):,}"
    assert "A customer is worth about" in shown


def test_the_demo_studio_has_customers_who_stay_and_who_leave(tmp_path):
    _demo.write_orders(tmp_path / "a.csv", seed=1)
    _demo.write_orders(tmp_path / "b.csv", seed=2)
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1:]]
    assert (tmp_path / "b.csv").read_text(encoding="utf-8") != (tmp_path / "a.csv").read_text(encoding="utf-8")
    assert max(time for _, time, *_ in rows) <= f"{_demo.AS_OF} 23:59"
    assert sum(float(paid) < 0 for _, _, paid, *_ in rows) > 0
    assert len({client for client, *_ in rows}) < len(rows) / 2


def test_progress_speaks_after_a_second_and_not_before(capsys):
    with command._slow("waiting"):
        pass
    assert capsys.readouterr().err == ""
    with command._slow("waiting"):
        time.sleep(1.3)
    assert "waiting ... 1 s" in capsys.readouterr().err
