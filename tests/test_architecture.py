"""The house keeps its shape: arrows go one way, heavy libraries come late, the help is quick."""

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("features", "classical", "deep", "ensemble", "reports")
ALLOWED = {
    "features": {"features"},
    "classical": {"classical"},
    "reports": {"reports"},
    "deep": {"deep", "features"},
    "ensemble": {
        "ensemble",
        "features",
        "classical",
        "deep",
        "reports.results",
        "reports.staging",
        "reports.metrics",
        "reports.significance",
    },
}
HEAVY = ("torch", "torchaudio", "xgboost", "umap", "numba", "librosa", "matplotlib")


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, late imports and those for typing included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import hides where its arrow goes.
            yield "." * node.level + (node.module or "")


def wrong_arrows(root: Path) -> list[str]:
    """Name all imports that point the wrong way, at a package's own root, or nowhere named."""
    wrong = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            is_root = path.name == "__init__.py"
            # A package's root imports its modules; a module that imports it back closes a knot.
            above = {".".join(parent.parts) for parent in path.relative_to(root).parents}
            for module in imported_modules(path):
                first = module.split(".")[0]
                if module.startswith(".") or first in ("cli", "commands", "tests", "benchmarks"):
                    wrong.append(f"{path.relative_to(root)} imports {module}")
                elif first in PACKAGES:
                    allowed = any(
                        module == arrow or module.startswith(f"{arrow}.")
                        for arrow in ALLOWED[package]
                    )
                    if not allowed or (module in above and not is_root):
                        wrong.append(f"{path.relative_to(root)} imports {module}")
    return wrong


def run_python(code: str) -> str:
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return completed.stdout.strip()


def test_all_arrows_point_the_right_way():
    assert wrong_arrows(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("classical/planted.py", "from ensemble.stacking import StackingEnsembleClassifier"),
        ("features/planted.py", "def late():\n    import deep.classifier"),
        ("ensemble/planted.py", "from reports.plots import plot_roc"),
        ("deep/planted.py", "from . import classifier"),
        ("features/planted.py", "from features import load_audio"),
        ("features/corpora/planted.py", "from features.corpora import philharmonia"),
        ("reports/planted.py", "import cli"),
        ("features/planted.py", "from commands.console import tell"),
    ],
    ids=["sibling", "late", "plots", "relative", "own-root", "own-folder", "cli", "commands"],
)
def test_a_planted_back_arrow_is_found(tmp_path, file, line):
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(line + "\n")
    assert len(wrong_arrows(tmp_path)) == 1


def test_no_module_is_named_for_nothing():
    vague = {"utils", "helpers", "common", "misc"}
    found = [path for package in (*PACKAGES, "commands") for path in (ROOT / package).rglob("*.py")]
    assert found
    assert not [path for path in found if path.stem in vague]


def test_modules_of_a_package_form_no_cycle():
    graph = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "__init__.py":
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                graph[name] = set(imported_modules(path))
    removed = True
    while removed:
        removed = [name for name, arrows in graph.items() if not arrows & graph.keys()]
        for name in removed:
            del graph[name]
    assert sorted(graph) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_brings_no_heavy_library_along(package):
    code = f"import sys, {package}; print(*[m for m in {HEAVY} if m in sys.modules])"
    assert run_python(code) == ""


def test_deep_needs_neither_librosa_nor_xgboost():
    code = (
        "import sys; sys.modules.update(librosa=None, xgboost=None);"
        "import deep.classifier, deep.embedding; print('fine')"
    )
    assert run_python(code) == "fine"


def test_every_name_that_a_package_offers_is_there():
    for package in PACKAGES:
        code = f"import {package} as p; [getattr(p, name) for name in p.__all__]; print('fine')"
        assert run_python(code) == "fine"


def test_listing_features_takes_under_a_second_and_no_heavy_library():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    completed = subprocess.run(
        [sys.executable, "-X", "importtime", "cli.py", "features"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert "standard-v1" in completed.stdout
    for library in (*HEAVY, "pandas", "sklearn", "opensmile", "yaml"):
        assert f" {library}\n" not in completed.stderr
    assert spent < 1.0


def test_the_help_takes_under_half_a_second_and_no_torch():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    completed = subprocess.run(
        [sys.executable, "-X", "importtime", "cli.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert "fit-ensemble" in completed.stdout
    assert " torch\n" not in completed.stderr
    assert " numpy\n" not in completed.stderr
    assert spent < 0.5
