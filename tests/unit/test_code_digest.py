"""The digest changes with what code does, and with nothing else."""

import os
from pathlib import Path

import pytest

from workflow.liverseg.code_digest import DigestMemory, code_digest

SCRIPT = '''"""Cut."""
from workflow.liverseg.chunks import cut


def main(volume: str, settings: dict) -> None:
    """Cut it."""
    if not volume:
        raise ValueError(f"no volume {volume}")
    print("cutting", volume)
    cut(volume, settings["chunks"]["slices"])


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)
'''
MODULES = {
    "chunks": "from workflow.liverseg import grids\n\n\ndef cut(v, n):\n    return grids.f(v)\n",
    "grids": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
    "    from workflow.liverseg.other import T\n\n\ndef f(v):\n    return v\n",
    "jobs": "import workflow.liverseg.other\n",
    "other": "T = int\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small house: a script, a module it imports, and a helper at two removes."""
    library = tmp_path / "workflow/liverseg"
    library.mkdir(parents=True)
    (tmp_path / "workflow/__init__.py").touch()
    (library / "__init__.py").touch()
    for name, text in MODULES.items():
        (library / f"{name}.py").write_text(text)
    (tmp_path / "cut.py").write_text(SCRIPT)
    return tmp_path


def digest(root: Path, **texts: str) -> dict[str, str]:
    """module → digest after writing the given texts over script or modules."""
    for name, text in texts.items():
        script = name == "script"
        (root / "cut.py" if script else root / f"workflow/liverseg/{name}.py").write_text(text)
    return dict(line.split(":") for line in code_digest(root / "cut.py", root))


def test_follows_imports_at_two_removes_but_not_adapter_or_type_hints(root: Path) -> None:
    assert set(digest(root)) == {"cut", "chunks", "grids", "__init__"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Cut it."""', '"""Cut it well."""'),
        ('    """Cut it."""\n', ""),
        ("    if not volume:", "    # why\n    if  not (volume) :"),
        ("no volume {volume}", "there is no volume"),
        ('print("cutting", volume)', 'print("now cutting", volume)'),
        ("settings: dict) -> None", "settings)"),
        ("from workflow.liverseg.jobs", "from workflow.liverseg.other"),
        ('["slices"]', "['slices']"),
    ],
)
def test_wording_and_formatting_change_nothing(root: Path, old: str, new: str) -> None:
    before = digest(root)
    assert old in SCRIPT
    assert digest(root, script=SCRIPT.replace(old, new)) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["slices"]', '["overlap"]'),
        ("cut(volume, ", "cut(volume + volume, "),
        ("if not volume", "if volume"),
        ("raise ValueError", "raise KeyError"),
        ('print("cutting", volume)', 'print("cutting", volume.pop())'),
    ],
)
def test_behaviour_changes_the_digest_of_its_module_alone(root: Path, old: str, new: str) -> None:
    before = digest(root)
    after = digest(root, script=SCRIPT.replace(old, new))
    assert {name for name in before if before[name] != after[name]} == {"cut"}


def test_an_edit_at_two_removes_is_named(root: Path) -> None:
    before = digest(root)
    after = digest(root, grids=MODULES["grids"].replace("return v", "return -v"))
    assert {name for name in before if before[name] != after[name]} == {"grids"}


def test_a_module_named_as_text_is_followed(root: Path) -> None:
    texts = 'import importlib\nf = importlib.import_module("workflow.liverseg.other").T\n'
    assert "other" in digest(root, grids=texts)


def test_circular_imports_end(root: Path) -> None:
    assert "grids" in digest(root, grids="from workflow.liverseg.chunks import cut\n")


def test_a_relative_import_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="relative import"):
        digest(root, chunks="from .grids import f\n")


def test_error_texts_in_their_own_module_are_neutral(root: Path) -> None:
    before = digest(root, errors="def fault(): return 'a'\n",
                    grids="from workflow.liverseg.errors import fault\n")  # fmt: skip
    assert "errors" not in before


def test_a_memory_gives_the_same_digests_without_parsing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept/digests.json"
    script = root / "cut.py"
    plain = code_digest(script, root)
    assert code_digest(script, root, DigestMemory(kept)) == plain
    monkeypatch.setattr("workflow.liverseg.code_digest._digest_and_imports", None)
    assert code_digest(script, root, DigestMemory(kept)) == plain


def test_a_memory_sees_an_edit_that_keeps_size_and_time(root: Path, tmp_path: Path) -> None:
    module = root / "workflow/liverseg/grids.py"
    before = code_digest(root / "cut.py", root, DigestMemory(tmp_path / "kept"))
    stat = module.stat()
    module.write_text(module.read_text().replace("return v", "return w"))
    os.utime(module, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = code_digest(root / "cut.py", root, DigestMemory(tmp_path / "kept"))
    assert [line.split(":")[0] for line in set(before) - set(after)] == ["grids"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "\x00"])
def test_a_damaged_memory_is_no_memory(root: Path, tmp_path: Path, damage: str) -> None:
    kept = tmp_path / "kept"
    kept.write_text(damage)
    assert code_digest(root / "cut.py", root, DigestMemory(kept)) == code_digest(
        root / "cut.py", root
    )
