"""Mutations of documents: how they are sent, and what a transaction of them makes of the documents that are there.

All of a transaction happens, or nothing. Each mutation sees what those before it have made.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shoal.errors import Conflict, InvalidInput, NotFound, RequestError
from shoal.model.content_documents import check_document_id, check_type
from shoal.model.json_match import Steps, parse_path, with_value, without

MAX_MUTATIONS = 5000
_KINDS = ("create", "createOrReplace", "createIfNotExists", "delete", "patch")
_PATCH_FIELDS = ("id", "query", "params", "ifRevisionID", "set", "unset")
_OF_IDS = "*[_id in $ids]"
"""The one query that stands for a list of ids: what clients send where they are given one."""
_IMMUTABLE = ("_id", "_type")

type Body = Mapping[str, Any]
type Operation = Literal["create", "update", "delete", "none"]


@dataclass(frozen=True, slots=True)
class Put:
    """A document to be there: made new (`create`), or also in place of one, or only where there is none."""

    kind: Literal["create", "createOrReplace", "createIfNotExists"]
    document_id: str
    body: Body


@dataclass(frozen=True, slots=True)
class Delete:
    """A document to be deleted; one that is not there is fine."""

    document_id: str


@dataclass(frozen=True, slots=True)
class Patch:
    """Changes to a document that has to be there, at revision `if_revision` where one is named: values are set
    first, then paths are unset.
    """

    document_id: str
    sets: tuple[tuple[Steps, Any], ...] = ()
    unsets: tuple[Steps, ...] = ()
    if_revision: str | None = None


type Mutation = Put | Delete | Patch


@dataclass(frozen=True, slots=True)
class Numbered:
    """A mutation with its place in the request, from 0."""

    place: int
    mutation: Mutation


@dataclass(frozen=True, slots=True)
class Result:
    """What a mutation did; `document` is as it left it, None where it is deleted or was not there."""

    document_id: str
    operation: Operation
    document: Body | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction comes to: a result for each mutation, and the documents that it changed as they are then,
    None for those that are deleted.
    """

    results: tuple[Result, ...]
    changed: Mapping[str, Body | None]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a transaction gives its documents: its id as their revision, and its time, as documents say it."""

    transaction_id: str
    timestamp: str


def parse_mutations(value: object, *, array_keys: bool = False) -> tuple[Numbered, ...]:
    """The mutations of a request.

    Args:
        value: the member `mutations`, parsed JSON.
        array_keys: whether objects in arrays that have no `_key` are given one.

    Raises:
        InvalidInput: `invalid_mutation`, `invalid_document`, `invalid_document_id`, `invalid_path` or
            `too_many_mutations`; names the mutation.
    """
    if not isinstance(value, list) or not value:
        raise InvalidInput("invalid_mutation", "mutations: must be an array of at least one mutation")
    if len(value) > MAX_MUTATIONS:
        raise InvalidInput(
            "too_many_mutations", f"mutations: a transaction takes at most {MAX_MUTATIONS}; send several"
        )
    found = [
        Numbered(place, mutation)
        for place, each in enumerate(value)
        for mutation in _parse(each, f"mutations[{place}]", array_keys=array_keys)
    ]
    if len(found) > MAX_MUTATIONS:
        raise InvalidInput(
            "too_many_mutations", f"mutations: at most {MAX_MUTATIONS} documents; send several"
        )
    return tuple(found)


def _parse(value: object, where: str, *, array_keys: bool) -> list[Mutation]:
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidInput(
            "invalid_mutation", f"{where}: must be an object with one member of {', '.join(_KINDS)}"
        )
    ((kind, content),) = value.items()
    where = f"{where}.{kind}"
    if not isinstance(content, dict):
        raise InvalidInput("invalid_mutation", f"{where}: must be an object")
    match kind:
        case "create" | "createOrReplace" | "createIfNotExists":
            return [_put(kind, _with_keys(content) if array_keys else content, where)]
        case "delete":
            return [Delete(each) for each in _selected(content, where, known=("id", "query", "params"))]
        case "patch":
            return _patches(content, where, array_keys=array_keys)
        case _:
            raise InvalidInput(
                "invalid_mutation", f"{where}: there is no mutation {kind[:80]!r}; use {', '.join(_KINDS)}"
            )


def _put(
    kind: Literal["create", "createOrReplace", "createIfNotExists"], content: dict[str, Any], where: str
) -> Put:
    given = content.get("_id")
    if kind == "create" and (given is None or (isinstance(given, str) and given.endswith("."))):
        given = f"{given or ''}{secrets.token_hex(16)}"
    if given is None:
        raise InvalidInput("invalid_document", f"{where}: the document has no _id")
    document_id = check_document_id(given, where=f"{where}._id")
    check_type(content, where=where)
    return Put(kind, document_id, {**content, "_id": document_id})


def _selected(content: dict[str, Any], where: str, *, known: Sequence[str]) -> list[str]:
    """The ids that a mutation is about."""
    unknown = next((name for name in content if name not in known), None)
    if unknown is not None:
        raise InvalidInput(
            "invalid_mutation", f"{where}: {unknown[:80]!r} is not supported; use {', '.join(known)}"
        )
    if ("id" in content) is ("query" in content):
        raise InvalidInput("invalid_mutation", f"{where}: needs an id")
    if "id" in content:
        return [check_document_id(content["id"], where=f"{where}.id")]
    params = content.get("params")
    ids = params.get("ids") if isinstance(params, dict) else None
    if content["query"] != _OF_IDS or not isinstance(ids, list):
        raise InvalidInput(
            "invalid_mutation",
            f"{where}.query: documents are selected by id; of queries there is only {_OF_IDS} with params.ids",
        )
    checked = [
        check_document_id(each, where=f"{where}.params.ids[{place}]") for place, each in enumerate(ids)
    ]
    return list(dict.fromkeys(checked))


def _patches(content: dict[str, Any], where: str, *, array_keys: bool) -> list[Mutation]:
    ids = _selected(content, where, known=_PATCH_FIELDS)
    sets, unsets = content.get("set", {}), content.get("unset", [])
    if not isinstance(sets, dict):
        raise InvalidInput("invalid_mutation", f"{where}.set: must be an object of paths and values")
    if not isinstance(unsets, list) or not all(isinstance(path, str) for path in unsets):
        raise InvalidInput("invalid_mutation", f"{where}.unset: must be an array of paths")
    revision = content.get("ifRevisionID")
    if revision is not None and not isinstance(revision, str):
        raise InvalidInput("invalid_mutation", f"{where}.ifRevisionID: must be a string")
    assigned = tuple(
        (parse_path(path, where=f"{where}.set"), _keyed(value) if array_keys else value)
        for path, value in sets.items()
    )
    dropped = tuple(parse_path(path, where=f"{where}.unset") for path in unsets)
    return [Patch(each, assigned, dropped, revision) for each in ids]


def _with_keys(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _keyed(value) for name, value in body.items()}


def _keyed(value: Any) -> Any:
    """JSON whose objects in arrays all have a `_key`."""
    if isinstance(value, dict):
        return _with_keys(value)
    if not isinstance(value, list):
        return value
    return [
        {**_with_keys(each), "_key": each.get("_key") or secrets.token_hex(6)}
        if isinstance(each, dict)
        else _keyed(each)
        for each in value
    ]


def is_blind(mutations: Sequence[Numbered]) -> bool:
    """Whether what they leave does not depend on what is there."""
    return all(
        isinstance(each.mutation, Delete)
        or (isinstance(each.mutation, Put) and each.mutation.kind == "createOrReplace")
        for each in mutations
    )


def ids_of(mutations: Sequence[Numbered]) -> tuple[str, ...]:
    """The ids that they are about, each once."""
    return tuple(dict.fromkeys(each.mutation.document_id for each in mutations))


@dataclass(slots=True)
class _State:
    there: Mapping[str, Body]
    changed: dict[str, Body | None] = field(default_factory=dict)

    def get(self, document_id: str) -> Body | None:
        if document_id in self.changed:
            return self.changed[document_id]
        return self.there.get(document_id)


def apply_mutations(mutations: Sequence[Numbered], there: Mapping[str, Body], stamp: Stamp) -> Outcome:
    """What a transaction comes to. `there` are the documents that exist, by id.

    Raises:
        Conflict: `document_exists`, or `revision_mismatch`.
        InvalidInput: a document would not be one any more.
        NotFound: `document_not_found`: a patch of one that is not there.
    """
    state = _State(there)
    results = [
        _naming(each.place, lambda each=each: _apply(each.mutation, state, stamp))  # type: ignore[misc]
        for each in mutations
    ]
    return Outcome(tuple(results), state.changed)


def _naming(place: int, apply: Callable[[], Result]) -> Result:
    """As applied; errors say which mutation it was."""
    try:
        return apply()
    except RequestError as error:
        raise type(error)(error.code, f"mutations[{place}]: {error.message}", error.details) from None


def _apply(mutation: Mutation, state: _State, stamp: Stamp) -> Result:
    own = mutation.document_id
    before = state.get(own)
    match mutation:
        case Delete():
            state.changed[own] = None
            return Result(own, "none" if before is None else "delete", None)
        case Put(kind="createIfNotExists") if before is not None:
            return Result(own, "none", before)
        case Put(kind="create") if before is not None:
            raise Conflict("document_exists", f'Document by ID "{own}" already exists', {"id": own})
        case Put():
            created = mutation.body.get("_createdAt")
            made = {
                **mutation.body,
                "_createdAt": created if isinstance(created, str) else stamp.timestamp,
                "_updatedAt": stamp.timestamp,
                "_rev": stamp.transaction_id,
            }
            state.changed[own] = made
            return Result(own, "create" if before is None else "update", made)
        case Patch():
            if before is None:
                raise NotFound("document_not_found", f'The document with the ID "{own}" was not found')
            made = _patched(mutation, before, stamp)
            state.changed[own] = made
            return Result(own, "update", made)


def _patched(patch: Patch, before: Body, stamp: Stamp) -> dict[str, Any]:
    own = patch.document_id
    if patch.if_revision is not None and patch.if_revision != before.get("_rev"):
        raise Conflict(
            "revision_mismatch",
            f'Document by ID "{own}" has unexpected revision ID ("{before.get("_rev")}"), expected '
            f'"{patch.if_revision}"',
            {"id": own, "revision": before.get("_rev")},
        )
    after: Any = dict(before)
    for path, value in patch.sets:
        after = with_value(after, path, value)
    for path in patch.unsets:
        after = without(after, path)
    for name in _IMMUTABLE:
        if after.get(name) != before.get(name):
            raise InvalidInput("immutable_attribute", f'Cannot modify immutable attribute "{name}"')
    return {**after, "_updatedAt": stamp.timestamp, "_rev": stamp.transaction_id}
