"""Which module may import which, and what a prediction must not load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rectify_nlp

PACKAGE = Path(rectify_nlp.__file__).parent
# A module may import only modules to its left. Some of them do not exist yet.
# fmt: off
ORDER = (
    "version", "errors", "ahead", "durable", "patterns", "types", "resources", "consensus", "rowfiles", "taxonomy", "examples", "radicals", "folding", "grammar", "codes", "lexicon", "vocabulary", "features", "classifier", "modelfolder", "sentences", "prose", "decoding",
    "confine", "numbering", "tables", "copied", "markup", "webpage", "documents", "pdf",
    "reading",
    "status", "wording", "heads", "markers", "clauses", "tree", "outline", "extents", "signs", "unnumbered", "roles", "pairing", "cautions", "slips", "splitting", "sources",
    "evaluation", "compiled", "model", "doubt", "records", "training", "trials", "judging", "batch",
    "phrases", "sheets", "marked", "terminal", "cards", "ledger", "report", "markdown", "render",
    "arrow", "inputs", "shards", "workers", "pool", "folder", "jobs",
    "charts", "scorecard",
    "similarity", "picking", "labelling", "labelsheet", "exchange", "intake", "agreement", "desk",
    "spark", "executors", "cluster",
    "guard", "connection", "service", "dashboard", "schemas", "api", "openinference", "pages", "labelpage", "web",
    "console", "manual", "options", "cli_predict", "cli_batch", "cli_train", "cli_label", "cli_serve", "cli",
)
# These cost seconds or are optional: they are imported inside the function that needs them.
HEAVY = {
    "sklearn", "scipy", "joblib", "threadpoolctl", "jieba", "rich", "pyarrow", "docx",
    "pdfplumber", "lxml", "numba", "fastapi", "pyspark", "xlsxwriter", "jinja2", "markupsafe", "py4j", "pandas",
    "openpyxl", "cleanlab",
    "pydantic", "starlette", "uvicorn",
}
# Modules that are nothing without an extra: heavy themselves, so imported as heavy packages are.
OF_AN_EXTRA = {"guard", "connection", "schemas", "api", "openinference", "pages", "labelpage"}
# fmt: on
MODULES = sorted(p.stem for p in PACKAGE.glob("*.py") if not p.stem.startswith("__"))


def imported(node: ast.AST) -> list[str]:
    """Dotted names that one import statement brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = ".".join(["rectify_nlp"] * bool(node.level) + [node.module or ""]).strip(".")
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def own_modules(tree: ast.AST) -> set[str]:
    """Modules of the package imported anywhere in `tree`; "" for the package itself."""
    return {
        own for node in ast.walk(tree) for own in map(own_module, imported(node)) if own is not None
    }


def own_module(name: str) -> str | None:
    """The module of the package that a dotted name lies in, None for one of another package."""
    package, *rest = name.split(".")
    return (rest[0] if rest else "") if package == "rectify_nlp" else None


def on_import(tree: ast.AST) -> Iterator[str]:
    """Dotted names imported as soon as the module is; TYPE_CHECKING is never true."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield from imported(node)
        yield from on_import(node)


def test_every_module_has_its_place():
    assert set(MODULES) <= set(ORDER)
    assert {"types", "reading", "splitting", "model", "cli"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_the_left(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    allowed = set(ORDER[: ORDER.index(module)])
    assert own_modules(tree) - allowed == set()


@pytest.mark.parametrize("module", [*MODULES, "__init__", "__main__"])
def test_heavy_packages_are_imported_inside_functions(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    if module not in OF_AN_EXTRA:
        assert heavy_ones(tree) == set()


def heavy_ones(tree: ast.AST) -> set[str]:
    """Heavy packages, and modules of the package that are, imported with the module."""
    names = set(on_import(tree))
    return (HEAVY & {n.split(".")[0] for n in names}) | (OF_AN_EXTRA & set(map(own_module, names)))


@pytest.mark.parametrize(
    ("code", "own", "heavy"),
    [
        ("from rectify_nlp.cli import main", {"cli"}, set()),
        ("from rectify_nlp import cli", {"cli"}, set()),
        ("from . import cli", {"cli"}, set()),
        ("from .cli import main", {"cli"}, set()),
        ("import rectify_nlp.cli as c", {"cli"}, set()),
        ("import rectify_nlp", {""}, set()),
        ("def f():\n import sklearn.svm\n from rectify_nlp.web import x", {"web"}, set()),
        ("if TYPE_CHECKING:\n import scipy\n from rectify_nlp.web import x", {"web"}, set()),
        ("try:\n import rich.table\nexcept ImportError: pass", set(), {"rich"}),
        ("class A:\n from scipy import sparse", set(), {"scipy"}),
        ("from rectify_nlp import api", {"api"}, {"api"}),
        ("def f():\n from rectify_nlp.pages import router", {"pages"}, set()),
    ],
)
def test_the_checks_see_every_form_of_import(code, own, heavy):
    tree = ast.parse(code)
    assert own_modules(tree) == own
    assert heavy_ones(tree) == heavy


# On one processor all is done in one process, where it can be seen.
ALONE = "import os; hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"


def after_predicting(notice, then):
    """A process that has predicted `notice` and then prints on stderr what `then` says."""
    code = (
        f"{ALONE}\nimport sys; sys.argv[1:1] = ['predict', '-f', 'jsonl']\n"
        "from rectify_nlp.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print({then}, file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, notice], capture_output=True, text=True, check=True
    )


def test_a_prediction_loads_nothing_heavy(guangzhou):
    done = after_predicting(guangzhou, "*sorted({name.split('.')[0] for name in sys.modules})")
    loaded = set(done.stderr.split())
    assert len(done.stdout.splitlines()) == 17
    assert "numpy" in loaded
    assert (
        loaded
        & {
            "sklearn",
            "scipy",
            "joblib",
            "jieba",
            "rich",
            "jinja2",
            "xlsxwriter",
            "numba",
            "fastapi",
        }
        == set()
    )


def test_splitting_needs_no_numpy_where_labels_or_wording_tell(linyi):
    code = (
        "import sys; from rectify_nlp import read, split\n"
        "print(len(split(read(sys.argv[1])).issues), 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, linyi], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["40", "False"]


def test_the_package_itself_loads_nothing_that_takes_long():
    code = "import sys, rectify_nlp; print(rectify_nlp.__version__, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [rectify_nlp.__version__, "False"]


def test_no_module_hides_a_name_of_the_package():
    # Importing rectify_nlp.records, for one, makes `records` a name of the package.
    code = (
        "import rectify_nlp.cli_predict, rectify_nlp as package\n"
        "print(*(type(getattr(package, name)).__name__ for name in package.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kinds = [type(getattr(rectify_nlp, name)).__name__ for name in rectify_nlp.__all__]
    assert done.stdout.split() == kinds
    assert "module" not in kinds


def test_what_the_package_does_not_have_is_told_as_usual():
    with pytest.raises(AttributeError, match="no attribute 'predicted'"):
        rectify_nlp.predicted  # noqa: B018
    assert set(rectify_nlp.__all__) <= set(dir(rectify_nlp))


def test_a_command_starts_no_threads_for_matrices(guangzhou):
    pools = "__import__('threadpoolctl').threadpool_info()"
    done = after_predicting(guangzhou, f"*{{pool['num_threads'] for pool in {pools}}}")
    assert done.stderr.split() == ["1"]
