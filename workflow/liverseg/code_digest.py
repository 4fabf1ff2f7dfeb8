"""What a script does, as digests: of itself and of every module of ours that it imports."""

import ast
import contextlib
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "workflow"
MESSAGE_CALLS = {"debug", "info", "warning", "warn", "error", "exception", "print", "log"}
# Words for the reader and the way files and logs are handed over: no result depends on them.
NEUTRAL = {"errors", "jobs"}
DOTTED_NAME = re.compile(rf"{PACKAGE}(\.\w+)+")


class DigestMemory:
    """What was worked out of module texts, kept in a file: parsing them takes most of a start.

    Texts are known by their SHA-256, so an edit, a checkout or a touch needs no forgetting.
    A file that is damaged or cannot be written costs time and nothing else.
    """

    def __init__(self, path: Path) -> None:
        """`path`: the file; it need not exist."""
        self._path = path
        self._known: dict[str, list] = {}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def digest_and_imports(self, text: str, name: str) -> tuple[str, tuple[str, ...]]:
        """Return the digest of a module's text, and the modules of ours that it imports."""
        key = hashlib.sha256(_this_module() + text.encode()).hexdigest()
        if key not in self._known:
            digest, imported = _digest_and_imports(text, name)
            self._known[key] = [digest, *imported]
            self._keep()
        digest, *imports = self._known[key]
        return digest, tuple(imports)

    def _keep(self) -> None:
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_text(json.dumps(self._known), encoding="utf-8")
                beside.replace(self._path)
            finally:
                beside.unlink(missing_ok=True)


@functools.cache
def _this_module() -> bytes:
    return Path(__file__).read_bytes()  # another way of digesting remembers anew


def code_digest(script: Path, root: Path, memory: DigestMemory | None = None) -> list[str]:
    """Return `module:digest` for a script and all it imports from `workflow`, sorted.

    A digest is that of the syntax tree without docstrings, type hints of functions, and the texts
    of messages and errors: comments, formatting and wording change nothing, behaviour does.
    Imports are followed wherever they stand (inside functions too, and where a dotted name is
    given as text), `root` being the folder that holds `workflow`. ValueError for a relative
    import: it would go unseen. With a `memory` only texts that it does not know are parsed.
    """
    look_up = memory.digest_and_imports if memory else _digest_and_imports
    short = f"{PACKAGE}.liverseg."
    found: dict[str, str] = {}
    todo = [script]
    while todo:
        path = todo.pop()
        name = ".".join(path.relative_to(root).with_suffix("").parts).removeprefix(short)
        if name in found or name in NEUTRAL:
            continue
        found[name], imported = look_up(path.read_text(encoding="utf-8"), name)
        todo += [file for module in imported if (file := _module_file(module, root))]
    return sorted(f"{name}:{digest}" for name, digest in found.items())


@functools.cache
def _digest_and_imports(text: str, name: str) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(text)
    # The adapter under `if __name__` moves files and logs; how it does so changes no result.
    tree.body = [node for node in tree.body if not _is_never_computed(node)]
    tree = _Silenced().visit(tree)
    imported = sorted(set(_imports(tree, name)))
    digest = hashlib.sha256("".join(_text_of(tree)).encode()).hexdigest()[:12]
    return digest, tuple(module for module in imported if module.split(".")[0] == PACKAGE)


def _imports(tree: ast.AST, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                raise ValueError(f"{name}: write `from {PACKAGE}.…`, not a relative import")
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and DOTTED_NAME.fullmatch(str(node.value)):
            yield str(node.value)


def _text_of(value: Any) -> Iterator[str]:
    """A syntax tree as text that does not depend on Python's version, unlike ast.dump's."""
    if isinstance(value, ast.AST):
        yield type(value).__name__
        for field, content in ast.iter_fields(value):
            if content is not None and content != [] and field != "kind":
                yield f"({field}="
                yield from _text_of(content)
                yield ")"
    elif isinstance(value, list):
        for item in value:
            yield ","
            yield from _text_of(item)
    else:
        yield repr(value)


def _is_never_computed(node: ast.stmt) -> bool:
    test = ast.dump(node.test) if isinstance(node, ast.If) else ""
    return "'__name__'" in test or "TYPE_CHECKING" in test


def _module_file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None  # a name within a module


class _Silenced(ast.NodeTransformer):
    """Takes out what a reader sees and a computation does not: docstrings, messages, hints."""

    def _visit_body(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = node.body  # type: ignore[attr-defined]
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        return node

    visit_Module = visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_body

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = _without_texts(node.exc)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and _name(node.value.func) in MESSAGE_CALLS:
            node.value = _without_texts(node.value)
        return node


def _without_texts(call: ast.Call) -> ast.Call:
    """The call with every string constant blanked; what else it computes stays."""

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            return ast.Constant("") if isinstance(node.value, str) else node

        def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
            return ast.Constant("")

    call.args = [Blank().visit(argument) for argument in call.args]
    call.keywords = [Blank().visit(keyword) for keyword in call.keywords]
    return call


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
