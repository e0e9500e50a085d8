"""Filters on metadata: parsed once from JSON into a typed tree, then evaluated row by row.

The language (all conditions of one object must hold)::

    {"service": "ec2"}                                   equals, shorthand of {"service": {"$eq": "ec2"}}
    {"price": {"$gte": 1, "$lt": 5}}                     $eq $ne $in $nin $gt $gte $lt $lte $exists $startsWith
    {"title": {"$match": "atlas of"}}                    $match $phrase $wildcard $like: conditions on text
    {"price": {"$not": {"$gt": 5}}}                      the operators inside do not hold
    {"$and": [f, ...]}  {"$or": [f, ...]}  {"$not": f}   of whole filters

- Equality compares JSON types too: 1, 1.0, true and "1" are four values. null equals nothing, not even null; ask
  for `$exists` instead. `$ne` and `$nin` are the exact opposites of `$eq` and `$in`, so they hold where the path
  is absent.
- `$gt` and its kin order numbers with numbers (integer or not) and strings with strings by code point; a value of
  another type does not match. true and false are not numbers.
- `$match` holds where a string has all words of the text, in any order; `$phrase` where it has them one behind the
  other. A word is a run of letters, digits and underscores, an ideograph is one alone; capital letters make no
  difference. A text without words is in no string.
- `$wildcard` is a pattern of a whole string: `*` stands for any characters, `?` for one, a backslash takes the
  next character as it is. Capital letters make a difference, as they do for `$startsWith`. `$like` is such a
  pattern of a word or of a whole string, and capital letters make none.
- A path "a.b" means the key "a.b" where the object has it, else "b" inside the object "a".
- An array matches a condition when one of its elements does. Objects inside arrays are not looked into.

Evaluation runs no regular expressions. To test a row takes at most `STEPS_A_BYTE` steps (lines of this package)
for each byte that the largest filter and the longest metadata have together: a filter of more than a few
conditions takes each long array and each text apart once (`filter_rows`), alternatives for one path are one set, a
beginning is compared once, and a pattern takes one step a character, whatever it is compared with. Conditions on
text are few: `MAX_TEXT_CONDITIONS`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.model.conditions import (
    All,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Not,
    OneOf,
    Ordered,
    Path,
    StartsWith,
    typed,
)
from shoal.model.filter_rows import Row, Typed
from shoal.model.globs import Glob
from shoal.model.limits import (
    MAX_FILTER_BYTES,
    MAX_FILTER_DEPTH,
    MAX_PATTERN_CHARACTERS,
    MAX_TEXT_CONDITIONS,
)
from shoal.model.text_conditions import (
    HasPhrase,
    HasWords,
    Like,
    Wildcard,
    has_phrase,
    has_words,
    is_like,
)

NOT_SCALAR = "filter values must be scalars (no nesting, ranges, or OR in v1)"
"""Contract: the message for a value that is neither a scalar nor an object of operators."""
STEPS_A_BYTE = 4
"""Bound of evaluation; a test holds the worst filters and metadata that are known to it."""
_FEW_CONDITIONS = 4
_ORDERINGS = ("$gt", "$gte", "$lt", "$lte")
_TEXTS = ("$startsWith", "$match", "$phrase", "$wildcard", "$like")
_OPERATORS = ("$eq", "$ne", "$in", "$nin", *_ORDERINGS, "$exists", *_TEXTS, "$not")


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter. Equal filters have equal hashes, so it serves as a cache key.

    `conditions` is how many conditions on paths it has: what it costs to test one row, in look-ups.
    """

    root: Condition
    conditions: int = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", _count(self.root))
        object.__setattr__(self, "_hash", hash(self.root))

    def __hash__(self) -> int:
        return self._hash

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a record with this metadata (parsed JSON) passes."""
        return self.root.matches(metadata if self.conditions <= _FEW_CONDITIONS else Row(metadata))

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Bytes that compact JSON of every matching row holds, if it holds no backslash; may be empty."""
        return tuple(sorted(self.root.needles()))


def parse_filter(value: object) -> Filter:
    """Check and parse a filter.

    Args:
        value: parsed JSON.

    Raises:
        InvalidInput: code `invalid_request`; the message names the path of what is wrong.
    """
    if not isinstance(value, dict):
        raise _invalid("filter must be an object")
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        size = None  # what is wrong with it is told below, where its path is known
    if size is not None and size > MAX_FILTER_BYTES:
        raise _invalid(f"filter must be at most {MAX_FILTER_BYTES} bytes of JSON")
    root = _filter(value, "filter", 1)
    if size is None:
        raise _invalid("filter must be JSON with numbers of 64 bits and text of UTF-8")
    if _count(root, HasWords | HasPhrase | Wildcard | Like) > MAX_TEXT_CONDITIONS:
        raise _invalid(
            f"filter must have at most {MAX_TEXT_CONDITIONS} of $match, $phrase, $wildcard and $like"
        )
    return Filter(root)


def _filter(value: object, where: str, depth: int) -> Condition:
    if depth > MAX_FILTER_DEPTH:
        raise _invalid(f"filter must be at most {MAX_FILTER_DEPTH} levels deep")
    if not isinstance(value, dict):
        raise _invalid(f"{where} must be an object")
    return _all([_member(key, item, f"{where}.{key}", depth) for key, item in value.items()])


def _member(key: object, value: object, where: str, depth: int) -> Condition:
    match key:
        case "$and" | "$or":
            if not isinstance(value, list) or not value:
                raise _invalid(f"{where} must be a non-empty array of filters")
            parts = [_filter(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(value)]
            return _all(parts) if key == "$and" else _any(parts)
        case "$not":
            return Not(_filter(value, where, depth + 1))
        case str() if key.startswith("$"):
            raise _invalid(f"{where}: unknown operator; here only $and, $or and $not are known")
        case str():
            return _on_path(_path(key, where), value, where, depth)
        case _:
            raise _invalid(f"{where}: keys must be strings")


def _path(key: str, where: str) -> Path:
    parts = tuple(key.split("."))
    if len(parts) > MAX_FILTER_DEPTH:
        raise _invalid(f"{where}: a path has at most {MAX_FILTER_DEPTH} parts")
    return Path(key, parts)


def _on_path(path: Path, value: object, where: str, depth: int) -> Condition:
    """A condition on one path: a scalar, or an object of operators."""
    if not isinstance(value, dict):
        return Equals(path, typed(_scalar(value, NOT_SCALAR)))
    if not value or not all(isinstance(key, str) and key.startswith("$") for key in value):
        raise _invalid(NOT_SCALAR)
    return _all([_operator(path, key, item, f"{where}.{key}", depth + 1) for key, item in value.items()])


def _operator(path: Path, operator: str, operand: object, where: str, depth: int) -> Condition:
    if depth > MAX_FILTER_DEPTH:
        raise _invalid(f"filter must be at most {MAX_FILTER_DEPTH} levels deep")
    match operator:
        case "$eq" | "$ne" | "$in" | "$nin":
            return _equality(path, operator, operand, where)
        case "$gt" | "$gte" | "$lt" | "$lte":
            if isinstance(operand, bool) or not isinstance(operand, int | float | str):
                raise _invalid(f"{where} must be a number or a string")
            return Ordered(path, operator, _scalar(operand, f"{where} must be a number or a string"))
        case "$exists":
            if not isinstance(operand, bool):
                raise _invalid(f"{where} must be true or false")
            return Exists(path) if operand else Not(Exists(path))
        case "$startsWith" | "$match" | "$phrase" | "$wildcard" | "$like":
            if not isinstance(operand, str):
                raise _invalid(f"{where} must be a string")
            return _on_text(path, operator, operand, where)
        case "$not":
            if not isinstance(operand, dict):
                raise _invalid(f"{where} must be an object of operators")
            return Not(_on_path(path, operand, where, depth))
        case _:
            raise _invalid(f"{where}: unknown operator; known are {', '.join(_OPERATORS)}")


def _on_text(path: Path, operator: str, operand: str, where: str) -> Condition:
    match operator:
        case "$match":
            return has_words(path, operand)
        case "$phrase":
            return has_phrase(path, operand)
        case "$wildcard" | "$like":
            if len(operand) > MAX_PATTERN_CHARACTERS:
                raise _invalid(f"{where} must have at most {MAX_PATTERN_CHARACTERS} characters")
            return is_like(path, operand) if operator == "$like" else Wildcard(path, Glob(operand))
        case _:
            return StartsWith(path, operand)


def _equality(path: Path, operator: str, operand: object, where: str) -> Condition:
    if operator == "$eq":
        return Equals(path, typed(_scalar(operand, f"{where} must be a scalar")))
    if operator == "$ne":
        return Not(Equals(path, typed(_known(operand, where))))
    if not isinstance(operand, list):
        raise _invalid(f"{where} must be an array of scalars")
    values = frozenset(typed(_element(item, where, place)) for place, item in enumerate(operand))
    return OneOf(path, values) if operator == "$in" else Not(OneOf(path, values))


def _known(value: object, where: str) -> Any:
    """An operand that must not be null."""
    if value is None:
        raise _invalid(f"{where} must not be null, which equals nothing: use $exists")
    return _scalar(value, f"{where} must be a scalar")


def _element(value: object, where: str, place: int) -> Any:
    """An operand among many: its path is spelled only where it is wrong."""
    return value if type(value) in (str, int, bool) else _known(value, f"{where}[{place}]")


def _scalar(value: object, message: str) -> Any:
    if value is not None and not isinstance(value, str | bool | int | float):
        raise _invalid(message)
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid(message)
    return value


def _all(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _any(parts: list[Condition]) -> Condition:
    """At least one of them; values that one path may equal become one set."""
    equal: dict[Path, set[Typed]] = {}
    others: list[Condition] = []
    for part in parts:
        match part:
            case Equals(path=path, wanted=wanted):
                equal.setdefault(path, set()).add(wanted)
            case OneOf(path=path, wanted=several):
                equal.setdefault(path, set()).update(several)
            case _:
                others.append(part)
    nothing: Typed = typed(None)
    for path, values in equal.items():
        one = (
            Equals(path, next(iter(values)))
            if len(values) == 1
            else OneOf(path, frozenset(values - {nothing}))
        )
        others.append(one)
    return others[0] if len(others) == 1 else AnyOf(tuple(others))


def _count(condition: Condition, of: type | UnionType = object) -> int:
    """How many conditions on paths there are, of some types."""
    match condition:
        case Not(part=part):
            return _count(part, of)
        case All(parts=parts) | AnyOf(parts=parts):
            return sum(_count(part, of) for part in parts)
        case _:
            return int(isinstance(condition, of))


def _invalid(message: str) -> InvalidInput:
    return InvalidInput("invalid_request", message)
