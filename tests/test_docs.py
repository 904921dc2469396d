"""The documentation names everything that is public."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import runpy
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import retention_metrics
from retention_metrics import Bounds, Interval, Intervals, Rate
from retention_metrics.cohorts import CohortTable
from retention_metrics.logs import PrepaidEvents, Responses, Subscriptions, Transactions

DOCS = Path(__file__).parents[1] / "docs"
MODULES = sorted(
    found.name for found in pkgutil.iter_modules(retention_metrics.__path__) if not found.name.startswith("_")
)
HAND_ON = {"to_dict", "to_frame"}


def load_catalogue() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_catalogue", DOCS / "_catalogue.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


catalogue = load_catalogue()


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"retention_metrics.{name}")


def public_names(module: ModuleType) -> list[str]:
    """``__all__``; without one, the public functions and classes that the module itself defines."""
    defined = [
        name
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
    ]
    return list(getattr(module, "__all__", defined))


def page(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def directive(text: str, kind: str, target: str) -> dict[str, str]:
    """Options of an autodoc directive, which must be on the page."""
    found = re.search(rf"^\.\. {kind}:: {re.escape(target)}\n((?:   :.*\n)*)", text, flags=re.MULTILINE)
    assert found, f"no {kind}:: {target}"
    return dict(re.findall(r"^   :([\w-]+): ?(.*)$", found[1], flags=re.MULTILINE))


@pytest.mark.parametrize("name", ["churn", "cohorts", "growth", "ltv", "nps", "prepaid", "revenue", "survival"])
def test_every_public_function_has_a_row(name):
    module = module_of(name)
    functions = [each for each in module.__all__ if inspect.isfunction(getattr(module, each))]
    public = {f"{module.__name__}.{each}" for each in functions}
    assert public
    assert public <= {row.target for row in catalogue.rows()}


@pytest.mark.parametrize(
    ("module", "cls"),
    [
        ("logs", Transactions),
        ("logs", Responses),
        ("logs", Subscriptions),
        ("logs", PrepaidEvents),
        ("cohorts", CohortTable),
    ],
)
def test_every_public_method_has_a_row(module, cls):
    path = f"retention_metrics.{module}.{cls.__name__}"
    methods = {name for name, member in vars(cls).items() if isinstance(member, FunctionType)}
    public = {f"{path}.{name}" for name in methods - HAND_ON if not name.startswith("_")}
    assert public
    assert public <= {row.target for row in catalogue.rows()}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_in_the_catalogue_or_said_to_measure_nothing(name):
    in_catalogue = {module.__name__.rpartition(".")[2] for module in catalogue.modules()}
    assert (name in in_catalogue) != (name in catalogue.WITHOUT_METRICS)


def test_rows_are_complete_and_unique():
    rows = catalogue.rows()
    assert len({row.target for row in rows}) == len(rows)
    for row in rows:
        assert row.answers.endswith("."), f"{row.target}: the first line of its docstring is not a sentence"


def test_the_table_has_a_line_for_each_row_and_four_cells_in_each():
    header, rule, *lines = catalogue.table().splitlines()
    assert len(lines) == len(catalogue.rows())
    for line in (header, rule, *lines):
        assert len(re.findall(r"(?<!\\)\|", line)) == 5, line
    assert not [line for line in lines if "``" in line or re.search(r":\w+:`", line)], "unconverted markup"


def test_a_source_is_read_from_the_docstring():
    source = {row.name: row.source for row in catalogue.rows()}
    assert source["cohort_retention"] == "Farris et al. (2010), *Marketing Metrics*, 2nd ed., chapter 5."
    assert source["Transactions.rfm"].startswith("Fader, Hardie & Lee (2005)")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_reference_page_in_the_toctree(name):
    options = directive(page(name), "automodule", f"retention_metrics.{name}")
    assert "members" in options
    toctree = re.search(r"```\{toctree\}\n(.*?)```", page("index"), flags=re.DOTALL)
    assert name in toctree[1].split()


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_on_the_page_of_its_module(name):
    options = directive(page(name), "automodule", f"retention_metrics.{name}")
    shown = set(options["members"].replace(",", " ").split())
    hidden = set(options.get("exclude-members", "").replace(",", " ").split())
    module = module_of(name)
    for public in getattr(module, "__all__", []):
        assert not shown or public in shown
        assert public not in hidden
    for public in public_names(module):
        assert getattr(module, public).__doc__, f"{public} has no docstring, and autodoc leaves it out"


def test_every_top_level_name_is_documented():
    results = {Bounds.__name__, Rate.__name__, Interval.__name__, Intervals.__name__}
    for name in results:
        directive(page("results"), "autoclass", name)
    elsewhere = {name for module in map(module_of, MODULES) for name in public_names(module)}
    assert set(retention_metrics.__all__) - {"__version__"} <= results | elsewhere | set(MODULES)


def test_the_duckdb_example_of_the_installation_page_runs(monkeypatch, tmp_path):
    pytest.importorskip("duckdb")
    text = (DOCS / "install.md").read_text(encoding="utf-8")
    fences = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (example,) = [code for code in fences if "duckdb" in code]
    rows = "client_id,paid_at,sum\nann,2026-01-05 14:30,30\nann,2026-02-04 10:00,40\n"
    (tmp_path / "orders.csv").write_text(rows)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(example, names)  # noqa: S102
    assert names["orders"].summary(as_of="2026-02-28").revenue == 70


def test_the_data_of_the_tutorials_are_what_their_scripts_write(tmp_path):
    folder = DOCS / "tutorials" / "data"
    for script in sorted(folder.glob("make_*.py")):
        copy = tmp_path / script.name
        copy.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        runpy.run_path(str(copy), run_name="__main__")
    kept = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    written = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    assert kept.keys() == written.keys()
    assert [name for name in kept if kept[name] != written[name]] == []
