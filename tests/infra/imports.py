"""What a function imports, followed through our own package, by reading the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers" / "shoal" / "python"


def third_party_imports(handler: Path) -> set[str]:
    """Top-level names that are neither Python's nor ours, from a handler down, those inside functions too."""
    seen: set[Path] = set()
    found: set[str] = set()
    todo = [handler]
    while todo:
        source = todo.pop()
        if source in seen:
            continue
        seen.add(source)
        for module in _imported(ast.parse(source.read_text()).body):
            top = module.partition(".")[0]
            if top == "shoal":
                todo += _sources(module)
            elif top not in sys.stdlib_module_names:
                found.add(top)
    return found


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """Modules that statements import, but not for type checkers only. `from a import b` may mean the module b."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _sources(module: str) -> list[Path]:
    """The files that importing a module of ours runs: its packages', and its own."""
    parts = module.split(".")
    files = []
    for end in range(1, len(parts) + 1):
        path = PACKAGE.joinpath(*parts[:end])
        files += [path / "__init__.py", path.with_suffix(".py")]
    return [file for file in files if file.is_file()]
