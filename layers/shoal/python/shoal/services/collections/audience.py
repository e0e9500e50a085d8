"""Whose objects a search may find.

Most objects are everybody's. An object with a `user_id` is that user's own; where it has an `original_id` as well,
it is their improved copy of that object, found in its place and under its id. Who names no user sees neither.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.model.bindings import Field, object_of
from shoal.model.conditions import All
from shoal.model.filters import Filter, parse_filter
from shoal.model.selection import Selection
from shoal.services.collections.rows import rows_in, with_records
from shoal.services.matching import matching_rows
from shoal.services.snapshot import Snapshot

MAX_COPIES = 10_000
"""Objects of their own that a user may have for searches on their behalf."""
_OWNED = f'"{Field.USER}":'.encode()
_COPIED = f'"{Field.ORIGINAL}":'.encode()
_ENTRY_BYTES = 128


@dataclass(frozen=True, slots=True)
class Seen:
    """How an object is seen: under which id; `hidden`: not at all, `stranger`: because it is another user's."""

    object_id: str
    hidden: bool = False
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class Audience:
    """Who searches: a user, or nobody in particular. `replaced` are the objects of which they have copies."""

    user_id: str | None = None
    replaced: frozenset[str] = frozenset()

    def sees(self, record_id: str, metadata: bytes) -> Seen:
        """How the object of a record is seen."""
        own_id = object_of(record_id)
        if _OWNED not in metadata and _COPIED not in metadata:  # most are not even parsed
            return Seen(own_id, hidden=own_id in self.replaced)
        fields = orjson.loads(metadata)
        owner, original = fields.get(Field.USER), fields.get(Field.ORIGINAL)
        stranger = owner is not None and owner != self.user_id
        replaced = owner is None and own_id in self.replaced
        return Seen(original or own_id, hidden=stranger or replaced, stranger=stranger)

    @property
    def filter(self) -> Filter:
        """What holds for the records of all objects that are seen, and of none of another user's."""
        nobodys: dict[str, Any] = {Field.USER: {"$exists": False}}
        if self.user_id is None:
            return parse_filter(nobodys)
        return parse_filter({"$or": [nobodys, {Field.USER: self.user_id}]})


def audience_of(snapshot: Snapshot, user_id: str | None) -> Audience:
    """The audience that a user is, in one version.

    Raises:
        InvalidInput: `too_many_copies`.
        CorruptObject: something stored is not what names it.
    """
    if user_id is None:
        return Audience()
    manifest = snapshot.manifest
    digest = blake2b(user_id.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    replaced = snapshot.reader.made(
        f"copies#{manifest.dataset_id}/{manifest.version}#{digest}",
        lambda: _replaced(snapshot, user_id),
        lambda ids: sum(_ENTRY_BYTES + len(each) for each in ids),
    )
    return Audience(user_id, replaced)


def _replaced(snapshot: Snapshot, user_id: str) -> frozenset[str]:
    own = matching_rows(snapshot, Selection(filter=parse_filter({Field.USER: user_id, Field.PART: 0})))
    count = sum(len(rows) for _, rows in own)
    if count > MAX_COPIES:
        raise InvalidInput(
            "too_many_copies",
            f"user_id: this user has {count} objects of their own; searches allow for {MAX_COPIES}",
            {"count": count, "limit": MAX_COPIES},
        )
    fields = (orjson.loads(record.metadata) for _, record in with_records(snapshot, rows_in(own)))
    originals = (each.get(Field.ORIGINAL) for each in fields)
    return frozenset(each for each in originals if each is not None)


def both(*filters: Filter | None) -> Filter | None:
    """What holds where all of several filters do; None: everywhere."""
    roots = tuple(each.root for each in filters if each is not None)
    if not roots:
        return None
    return Filter(roots[0] if len(roots) == 1 else All(roots))
