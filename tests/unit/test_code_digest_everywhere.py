"""For every module and every script of this house: an edit changes the digests of its dependants.

The dependants are worked out a second time in another way, from the import instructions of the
compiled code instead of from the syntax tree.
"""

import ast
import functools
import re
import shutil
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType

import pytest

from workflow.liverseg import code_digest as digests

ROOT = Path(__file__).resolve().parents[2]
# What is known to decide about no result: see `code_digest`.
NEUTRAL = {"workflow.liverseg.errors", "workflow.liverseg.jobs"}
NEVER_RUN = re.compile(r"^if (TYPE_CHECKING|__name__ == .__main__.):$", re.M)
NAMED_AS_TEXT = re.compile(r"""["'](workflow(?:\.\w+)+)["']""")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that may be edited."""
    root = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow", root / "workflow", ignore=ignored)
    return root


def modules_in(root: Path) -> dict[str, Path]:
    """Dotted name → file of each module of ours; packages hold a docstring and nothing else."""
    files = [path for path in sorted(root.glob("workflow/**/*.py")) if path.stem != "__init__"]
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in files}


def imports_in(code: CodeType) -> Iterator[str]:
    """Every dotted name that an instruction imports, in functions too."""
    for kind, what in ModuleFinder().scan_opcodes(code):
        if kind == "absolute_import":
            names, module = what
            yield module
            yield from (f"{module}.{name}" for name in names or ())
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from imports_in(inner)


def imported_by(path: Path) -> set[str]:
    """Names that a module imports when it is run as a library, or names as text."""
    text = NEVER_RUN.sub("if 0:", path.read_text(encoding="utf-8"))  # compiled to nothing
    code = compile(text, path.name, "exec", optimize=2)
    return {*imports_in(code), *NAMED_AS_TEXT.findall(text)}


def reached(script: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = {script}
    while todo:
        found |= todo
        todo = {name for module in todo for name in edges[module]} - found
    return found


def test_packages_hold_nothing_that_could_change_a_result() -> None:
    for path in ROOT.glob("workflow/**/__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def test_an_edit_of_each_module_changes_the_digests_of_exactly_its_dependants(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No file comes or goes here: to look each one up once is enough.
    monkeypatch.setattr(digests, "_module_file", functools.cache(digests._module_file))
    modules = modules_in(sources)
    ours = modules.keys() - NEUTRAL
    edges = {name: imported_by(path) & ours for name, path in modules.items()}
    scripts = [name for name in modules if name.startswith("workflow.scripts.")]
    dependants = {script: reached(script, edges) for script in scripts}
    before = {script: digests.code_digest(modules[script], sources) for script in scripts}
    wrong = {}
    for name, path in modules.items():
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\nEDITED = True\n", encoding="utf-8")
        changed = {
            script
            for script in scripts
            if digests.code_digest(modules[script], sources) != before[script]
        }
        path.write_text(text, encoding="utf-8")
        expected = {script for script in scripts if name in dependants[script]}
        if changed != expected:
            wrong[name] = {"too many": changed - expected, "too few": expected - changed}
    assert wrong == {}
    assert len(scripts) > 25
    assert len(modules) > 100
