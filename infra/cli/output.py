"""Where words go: results to stdout (as JSON where asked), everything else to stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def plain(value: Any) -> Any:
    """The value as JSON types: dataclasses become objects, sets sorted lists, arrays lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(each) for each in value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    text = json.dumps(plain(value), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write(text + "\n")


def line(text: str) -> None:
    """One line of result on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """One line beside the result, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def console(*, stderr: bool = False) -> "Console":
    """A rich console on the stream of the moment. Imported here: it is a third of the start-up time."""
    from rich.console import Console

    return Console(file=sys.stderr if stderr else sys.stdout, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table on stdout; numbers to the right. In a pipe it stays wide, so that nothing is cut."""
    from rich.table import Table
    from rich.text import Text

    body = [list(row) for row in rows]
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(columns):
        numeric = bool(body) and all(isinstance(row[at], int | float | None) for row in body)
        grid.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        grid.add_row(*(Text(_shown(cell)) for cell in row))
    out = console()
    if not out.is_terminal:
        out.width = 200
    out.print(grid)


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:.4f}"
    return str(cell)


def moment(seconds: float | None) -> str | None:
    """Epoch seconds as ISO 8601 in UTC."""
    if seconds is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
