"""Templates: how a payload becomes the text that is embedded.

``{title}: {attributes.color}`` takes fields by dotted paths; a literal brace is doubled. Without a template all
strings of a payload are taken, in the order of their keys at every level: JSON writers do not agree on another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shoal.errors import InvalidInput

MAX_DEPTH = 32
"""Objects and arrays of a payload inside of each other."""
MAX_TEMPLATE_CHARACTERS = 4000
MAX_TEMPLATE_FIELDS = 64
MAX_PATH_KEYS = 16
BETWEEN_FIELDS = "\n"
BETWEEN_ELEMENTS = ", "
_NESTING = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a template: its path, whole and as keys."""

    path: str
    keys: tuple[str, ...]


type _Piece = str | _Field


def text_of(payload: Any, template: str | None) -> str:
    """The text of a payload: what is embedded for it. Empty where none of the fields has anything in it.

    Without a template: every string, fields on a line each, elements of arrays joined with commas. With one: the
    fields that it names, a missing one being empty; numbers and truth values are written as JSON does, and of
    an object all strings are taken.

    Raises:
        InvalidInput: `invalid_template`; `payload_too_deep`: over `MAX_DEPTH` levels.
    """
    if template is None:
        return _strings(payload, MAX_DEPTH)
    check_depth(payload)
    found = False
    text: list[str] = []
    for piece in _parsed(template):
        if isinstance(piece, str):
            text.append(piece)
        else:
            value = _written(_at(payload, piece))
            found = found or bool(value.strip())
            text.append(value)
    return "".join(text) if found else ""


def check_template(template: Any) -> str:
    """A template, if it is one.

    Raises:
        InvalidInput: code `invalid_template`; says what is wrong at which character, counted from 1.
    """
    if not isinstance(template, str):
        raise InvalidInput("invalid_template", "template must be a string")
    _parsed(template)
    return template


def check_depth(payload: Any) -> None:
    """See that a payload does not nest too deeply.

    Raises:
        InvalidInput: code `payload_too_deep`.
    """
    _descend(payload, MAX_DEPTH)


def _descend(value: Any, room: int) -> None:
    if type(value) in _NESTING:
        if not room:
            raise _too_deep()
        for inner in value.values() if type(value) is dict else value:
            if type(inner) in _NESTING:
                _descend(inner, room - 1)


def _too_deep() -> InvalidInput:
    return InvalidInput("payload_too_deep", f"the payload nests deeper than {MAX_DEPTH} levels")


def _strings(value: Any, room: int) -> str:
    """All strings in a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if not room:
            raise _too_deep()
        return _joined([value[name] for name in sorted(value)], BETWEEN_FIELDS, room - 1)
    if isinstance(value, list):
        if not room:
            raise _too_deep()
        return _joined(value, BETWEEN_ELEMENTS, room - 1)
    return ""


def _joined(values: list[Any], between: str, room: int) -> str:
    texts = [value if type(value) is str else _strings(value, room) for value in values]
    return between.join([text for text in texts if text])


def _at(payload: Any, wanted: _Field) -> Any:
    """What is there under a path, which is tried as it stands first, as filters do; None where nothing is."""
    if not isinstance(payload, dict):
        return None
    if wanted.path in payload:
        return payload[wanted.path]
    value: Any = payload
    for key in wanted.keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _written(value: Any) -> str:
    """A field's value as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return BETWEEN_ELEMENTS.join([text for element in value if (text := _written(element))])
    return _strings(value, MAX_DEPTH)


@lru_cache(maxsize=256)
def _parsed(template: str) -> tuple[_Piece, ...]:
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise InvalidInput(
            "invalid_template", f"template must be at most {MAX_TEMPLATE_CHARACTERS} characters"
        )
    pieces = tuple(_pieces(template))
    fields = sum(isinstance(piece, _Field) for piece in pieces)
    if not fields:
        raise InvalidInput("invalid_template", "template names no field, as in {title}")
    if fields > MAX_TEMPLATE_FIELDS:
        raise InvalidInput(
            "invalid_template", f"template names {fields} fields; at most {MAX_TEMPLATE_FIELDS} fit"
        )
    return pieces


def _pieces(template: str) -> Iterator[_Piece]:
    literal: list[str] = []
    at = 0
    while at < len(template):
        character = template[at]
        if character not in "{}":
            literal.append(character)
            at += 1
        elif template[at : at + 2] == character * 2:
            literal.append(character)
            at += 2
        elif character == "}":
            raise _wrong(at, "there is a } without its {; a literal brace is doubled")
        else:
            end = template.find("}", at)
            if end < 0:
                raise _wrong(at, "this { has no }; a literal brace is doubled")
            if literal:
                yield "".join(literal)
                literal = []
            keys = _path(template[at + 1 : end], at)
            yield _Field(".".join(keys), keys)
            at = end + 1
    if literal:
        yield "".join(literal)


def _path(path: str, at: int) -> tuple[str, ...]:
    keys = tuple(path.strip().split("."))
    if "{" in path:
        raise _wrong(at, "this { has another one before its }")
    if not all(keys):
        raise _wrong(at, "this field has no name, or an empty one between its dots")
    if len(keys) > MAX_PATH_KEYS:
        raise _wrong(at, f"this field has a path of over {MAX_PATH_KEYS} names")
    return keys


def _wrong(at: int, what: str) -> InvalidInput:
    return InvalidInput("invalid_template", f"template, character {at + 1}: {what}", {"position": at + 1})
