"""The text of a filter or a projection, and how what is wrong in it is told: with its place, counted from 1."""

from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Source:
    """What is parsed; `name` is what messages call it."""

    name: str
    text: str

    def unsupported(self, at: int, construct: str, shown: str, hint: str = "") -> InvalidInput:
        """The error of what is GROQ, but not supported: its name (a plural), how it reads here, what to do."""
        told = f"{construct} are not supported: {shown}"
        return self.wrong(at, f"{told}; {hint}" if hint else told, construct)

    def wrong(self, at: int, what: str, construct: str | None = None) -> InvalidInput:
        """The error of something at a place, which is counted from 0; `construct` where it is GROQ."""
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        where = f"line {line}, column {column}" if "\n" in self.text.strip() else f"character {at + 1}"
        details: dict[str, Any] = {"position": at + 1, "line": line, "column": column}
        if construct is not None:
            details["construct"] = construct
        return InvalidInput(
            "invalid_groq",
            f"{self.name}, {where}: {what}",
            details,
        )
