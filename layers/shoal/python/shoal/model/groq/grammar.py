"""What GROQ has and we do not, by how it begins: so that a refusal can name it."""

from collections.abc import Mapping

AT_A_VALUE: Mapping[str, tuple[str, str]] = {
    "*": ("sub-queries", ""),
    "**": ("sub-queries", ""),
    "@": ("uses of @", ""),
    "^": ("uses of ^", ""),
    "$": ("parameters", "write the value out"),
    "{": ("objects", ""),
    "...": ("spreads", ""),
    "~": ("dataset aliases", ""),
    "+": ("arithmetic operators", ""),
    "-": ("arithmetic operators", ""),
}
"""In the place of a value: what it is called, and what to do instead."""

BEHIND_A_VALUE: Mapping[str, tuple[str, str]] = {
    "->": ("dereferences", "documents are taken one by one"),
    "|": ("pipes", ""),
    "=>": ("conditions of projections", ""),
    "..": ("ranges", "compare with >= and <="),
    "...": ("ranges", "compare with >= and <"),
    **dict.fromkeys(("+", "-", "*", "/", "%", "**"), ("arithmetic operators", "")),
}
"""In the place of an operator."""

FUNCTIONS: Mapping[str, str] = {
    "path": "drafts and versions are never indexed, so no filter has to leave them out",
}
"""What to do instead of a function."""

OTHER_LANGUAGES: Mapping[str, str] = {
    "=": "==",
    "&": "&&",
    "and": "&&",
    "AND": "&&",
    "or": "||",
    "OR": "||",
    "IN": "in",
    "is": "==",
    "<>": "!=",
}
"""How GROQ writes what others write so."""
