"""What is wrong with the body of a task, in the words of the original server.

That one has a library look at the body by a JSON schema, which knows many faults and tells the one that it finds
most telling. Its words are few, and so are the rules: they are written down here, without the library.

The most telling fault is one of the whole body rather than of a field; then one that is not about alternatives;
then one of a rule that does not say of which type the value has to be, or of a value that has another one. Of
equals the first wins, in the order of the schema. It follows that a body without an action lacks what any action
needs before it lacks the action.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shoal.model.limits import MAX_NAME_CHARACTERS
from shoal.model.openverse import FILTERED, MEDIA_TYPES, Action, index_name

_FIELDS: Mapping[str, type] = {
    "model": str,
    "action": str,
    "since_date": str,
    "index_suffix": str,
    "alias": str,
    "force_delete": bool,
    "origin_index_suffix": str,
    "destination_index_suffix": str,
}
_ENUMS: Mapping[str, tuple[str, ...]] = {
    "model": MEDIA_TYPES,
    "action": tuple(action.value for action in Action),
}
_TYPE_NAMES = {str: "string", bool: "boolean"}
_NEEDED = {
    Action.POINT_ALIAS: ("index_suffix", "alias"),
    Action.PROMOTE: ("index_suffix", "alias"),
    Action.UPDATE_INDEX: ("index_suffix", "since_date"),
}
_EITHER = ("alias", "index_suffix")
"""One of which, and not both, says what is to be deleted."""
_USED: Mapping[Action, tuple[str, ...]] = {
    Action.REINDEX: ("index_suffix",),
    Action.INGEST_UPSTREAM: ("index_suffix",),
    Action.CREATE_AND_POPULATE_FILTERED_INDEX: ("origin_index_suffix", "destination_index_suffix"),
    Action.DELETE_INDEX: (*_EITHER, "force_delete"),
    **_NEEDED,
}
_SUFFIX = "_suffix"


@dataclass(frozen=True, slots=True)
class _Fault:
    """A fault, and how telling it is: the greatest is told."""

    message: str
    of_body: bool = True
    plain: bool = True
    untyped: bool = False

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        return (self.of_body, self.plain, self.untyped)


def fault_of(body: Any) -> str | None:
    """What is wrong with a body; None where it is a task's."""
    return max(_faults(body), key=lambda fault: fault.rank, default=_Fault("")).message or None


def _faults(body: Any) -> Iterator[_Fault]:
    if not isinstance(body, dict):
        yield _Fault(f"{body!r} is not of type 'object'", untyped=True)
        return
    for name, kind in _FIELDS.items():
        if name not in body:
            continue
        value = body[name]
        typed = isinstance(value, kind)
        if not typed:
            yield _Fault(f"{value!r} is not of type {_TYPE_NAMES[kind]!r}", of_body=False, untyped=True)
        if name in _ENUMS and value not in _ENUMS[name]:
            yield _Fault(f"{value!r} is not one of {list(_ENUMS[name])!r}", of_body=False, untyped=not typed)
    yield from (_lacks(name) for name in ("model", "action") if name not in body)
    for action, needed in _NEEDED.items():
        if "action" not in body or body["action"] == action:
            yield from (_lacks(name, untyped=True) for name in needed if name not in body)
    if "action" not in body or body["action"] == Action.DELETE_INDEX:
        given = [name for name in _EITHER if name in body]
        if not given:
            yield _alternatives(f"{body!r} is not valid under any of the given schemas")
        elif len(given) > 1:
            each = ", ".join(repr({"required": [name]}) for name in reversed(_EITHER))
            yield _alternatives(f"{body!r} is valid under each of {each}")


def _lacks(name: str, *, untyped: bool = False) -> _Fault:
    return _Fault(f"{name!r} is a required property", untyped=untyped)


def _alternatives(message: str) -> _Fault:
    return _Fault(message, plain=False, untyped=True)


@dataclass(frozen=True, slots=True)
class WrongName:
    """A value that cannot be part of a name: in the words of the original, and in words that help."""

    message: str
    detail: str


def used_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body without faults that its action makes use of.

    An empty suffix of what is to be made counts as none, as with the original.
    """
    action = Action(body["action"])
    used = {name: body[name] for name in _USED[action] if name in body}
    if action in (*_NEEDED, Action.DELETE_INDEX):
        return used
    return {name: value for name, value in used.items() if value}


def wrong_name(body: Mapping[str, Any]) -> WrongName | None:
    """What is wrong with the suffixes and the alias of a body without faults; None where nothing is."""
    model, action = str(body["model"]), Action(body["action"])
    for name, value in used_fields(body).items():
        if name != "alias" and not name.endswith(_SUFFIX):
            continue
        most = MAX_NAME_CHARACTERS
        if name != "alias":
            most -= len(f"{model}-")
        if name == "destination_index_suffix":
            most -= len(FILTERED)
        pattern = f"[a-z0-9_-]{{1,{most}}}"
        if not re.fullmatch(pattern, value):
            return WrongName(
                f"{value!r} does not match {f'^{pattern}$'!r}",
                f"{name} must be 1-{most} characters of a-z, 0-9, _ and -",
            )
        if action in (Action.REINDEX, Action.INGEST_UPSTREAM) and index_name(model, value).endswith(FILTERED):
            return WrongName(
                f"{value!r} does not match '^(?!filtered$).*(?<!{FILTERED})$'",
                f"{name} must not be filtered, nor end in {FILTERED}: only filtered indexes are called so; make "
                f"them with {Action.CREATE_AND_POPULATE_FILTERED_INDEX}",
            )
    return None
