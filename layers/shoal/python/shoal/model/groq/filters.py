"""GROQ filters: the condition inside of `*[ ]`."""

from dataclasses import dataclass, field
from typing import Any

from shoal.model.groq.expressions import ArrayOf, Expression, Literal
from shoal.model.groq.parser import Parser
from shoal.model.groq.source import Source


@dataclass(frozen=True, slots=True)
class GroqFilter:
    """A parsed filter; `condition` is None where there is none."""

    text: str
    condition: Expression | None = field(compare=False, repr=False)

    def matches(self, document: dict[str, Any]) -> bool:
        """Whether it is true for a document (parsed JSON); neither false nor null is."""
        return self.condition is None or self.condition.value(document) is True


def parse_filter(text: str) -> GroqFilter:
    """Parse a filter; one that is empty selects every document.

    Raises:
        InvalidInput: code `invalid_groq`. The message names the place and what is wrong or not supported there;
            `details` has `position`, `line` and `column` (from 1), and `construct` where something is GROQ,
            but not supported.
    """
    parser = Parser(Source("filter", text), projects=False)
    start = parser.reader.token
    if parser.reader.at_end():
        return GroqFilter(text, None)
    if start.text == "fn":
        raise parser.reader.unsupported(start, "declarations of functions")
    condition = parser.expression()
    if not parser.reader.at_end():
        raise parser.reader.unexpected("an operator or the end of the filter")
    if isinstance(condition, ArrayOf) or (
        isinstance(condition, Literal) and not isinstance(condition.written, bool | None)
    ):
        raise parser.reader.unsupported(
            start,
            "filters that are no condition",
            'write only what stands inside of *[ ], as in _type == "movie"',
        )
    return GroqFilter(text, condition)
