"""GROQ projections: what of a document is taken, and under which names."""

from dataclasses import dataclass, field
from typing import Any

from shoal.model.groq.expressions import Projection
from shoal.model.groq.parser import Parser
from shoal.model.groq.source import Source

_GOES_ON = ("{", "[", ".", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in", "match")


@dataclass(frozen=True, slots=True)
class GroqProjection:
    """A parsed projection; `taken` is None where everything is."""

    text: str
    taken: Projection | None = field(compare=False, repr=False)

    def project(self, document: dict[str, Any]) -> dict[str, Any]:
        """The projection of a document (parsed JSON): a new object whose values are shared with the document."""
        return dict(document) if self.taken is None else self.taken.value(document)


def parse_projection(text: str) -> GroqProjection:
    """Parse a projection; one that is empty takes the whole document.

    Raises:
        InvalidInput: code `invalid_groq`, as `parse_filter` does.
    """
    parser = Parser(Source("projection", text), projects=True)
    reader = parser.reader
    if reader.at_end():
        return GroqProjection(text, None)
    if not reader.token.is_symbol("{"):
        raise reader.unsupported(reader.token, "projections without braces", "write {title, body}")
    taken = parser.projection()
    if reader.token.text in _GOES_ON:
        raise reader.unsupported(reader.token, "operators behind a projection")
    if not reader.at_end():
        raise reader.unexpected("the end of the projection")
    return GroqProjection(text, taken)
