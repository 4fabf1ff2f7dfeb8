"""What a script does, as digests: of itself and of every module of ours that it imports."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "workflow"
MESSAGE_CALLS = {"debug", "info", "warning", "error", "exception", "print", "log"}


def code_digest(script: Path, root: Path) -> list[str]:
    """Return `module:digest` for a script and all it imports from `workflow`, sorted.

    A digest is that of the syntax tree without docstrings, and without the texts of messages and
    errors: comments, formatting and wording change nothing, behaviour does. Imports are followed
    wherever they stand (inside functions too), `root` being the folder that holds `workflow`.
    """
    found: dict[str, str] = {}
    todo = [script]
    while todo:
        path = todo.pop()
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        if name in found:
            continue
        text = path.read_text(encoding="utf-8")
        found[name], imported = _digest_and_imports(text)
        todo += [file for module in imported if (file := _module_file(module, root))]
    short = f"{PACKAGE}.liverseg."
    return sorted(f"{name.removeprefix(short)}:{digest}" for name, digest in found.items())


@functools.cache
def _digest_and_imports(text: str) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(text)
    # The adapter under `if __name__` moves files and logs; how it does so changes no result.
    tree.body = [node for node in tree.body if not _is_adapter(node)]
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.append(node.module)
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
    tree = _Silenced().visit(tree)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]
    ours = (name for name in imported if name.split(".")[0] == PACKAGE)
    return digest, tuple(sorted(set(ours)))


def _is_adapter(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test)


def _module_file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None  # a name within a module


class _Silenced(ast.NodeTransformer):
    """Takes out what a reader sees and a computation does not: docstrings, messages, annotations."""

    def _visit_body(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = node.body  # type: ignore[attr-defined]
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_Module = visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_body

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
