"""What a batch of objects becomes in the logs of its datasets: in its collection, then, of what that one took, in
those that are made of it by a reindex.

An object that fails in its collection stays there as it was, and so it does everywhere. One that fails only in the
destination of a reindex leaves that one: what is there of it would be old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shoal.errors import LimitReached, ModelError, NotFound, RequestError, ShoalError
from shoal.index.log_codec import encode_delete, encode_upsert
from shoal.model.bindings import MAX_PARTS, part_id
from shoal.model.datasets import Dataset
from shoal.model.jobs import JobKind
from shoal.model.tasks import FailedObject
from shoal.services.collections.counts import counting
from shoal.services.collections.embedding import EmbeddedObjects, SourceObject, embed_objects, joined
from shoal.services.collections.given import given_objects
from shoal.services.collections.objects import object_of_json
from shoal.services.embedding import Embedder
from shoal.services.heads import keys_of
from shoal.services.tasks.entries import LogEntry
from shoal.storage.ports import UpdateItem


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset that a task writes to, where no object is known to have more than `most_parts` parts. `made`: a
    reindex makes it, whose objects may have any number.
    """

    dataset: Dataset
    most_parts: int = MAX_PARTS
    made: bool = False

    @property
    def reach(self) -> int:
        """How many parts an object may have had."""
        return MAX_PARTS if self.made else self.most_parts

    def further_parts(self, object_id: str, parts: int) -> list[str]:
        """The ids of parts that an object may have had, where it has so many now."""
        return [part_id(object_id, number) for number in range(parts, self.reach)]


class ModelProblem(ShoalError):
    """The model of the destination of a reindex could not be asked; `cause` is what was raised."""

    def __init__(self, dataset: Dataset, cause: RequestError | ModelError) -> None:
        super().__init__(str(cause))
        self.dataset = dataset
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Prepared:
    """Entries for the logs, and what is counted along with them.

    `failed` has the place of each failed object among those given. `cut` are the ids of objects with too much
    text. `most_parts` are those of the object that has most, by dataset.
    """

    entries: list[LogEntry] = field(default_factory=list)
    counts: list[UpdateItem] = field(default_factory=list)
    failed: list[tuple[int, FailedObject]] = field(default_factory=list)
    cut: frozenset[str] = frozenset()
    tokens: int = 0
    most_parts: Mapping[str, int] = field(default_factory=dict)


def prepare_deletion(targets: Sequence[Target], object_ids: Sequence[str]) -> Prepared:
    """Objects to delete, with all the parts that they may have."""
    once = list(dict.fromkeys(object_ids))
    entries = []
    for target in targets:
        further = [part for name in once for part in target.further_parts(name, 1)]
        entries.append(_deletion(target, once + further))
    return Prepared(entries)


def prepare_texts(embedder: Embedder, targets: Sequence[Target], objects: Sequence[SourceObject]) -> Prepared:
    """Objects to embed; of several with one id, the last that does not fail counts.

    Raises:
        LimitReached, ModelError, NotFound: of the model of the first target.
        ModelProblem: one of these, of the model of another.
    """
    own = targets[0].dataset
    embedded, winners, failed = _last_of_each(embedder, own, objects)
    return _everywhere(embedder, targets, embedded, winners, failed)


def prepare_given(
    embedder: Embedder, targets: Sequence[Target], objects: Sequence[Mapping[str, Any]]
) -> Prepared:
    """Objects that bring vectors for the first target, of distinct ids; for others they are embedded.

    Raises:
        ModelProblem: the model of another target.
    """
    embedded = given_objects(targets[0].dataset, objects)
    places = {found["object_id"]: place for place, found in enumerate(objects)}
    failed = [(places[failure.object_id], failure) for failure in embedded.failed]
    winners = {
        found["object_id"]: (place, object_of_json(found))
        for place, found in enumerate(objects)
        if found["object_id"] in embedded.parts
    }
    return _everywhere(embedder, targets, embedded, winners, failed)


type _Winners = dict[str, tuple[int, SourceObject]]
"""What became records, by object id: its place among those given, and the object."""


def _last_of_each(
    embedder: Embedder, dataset: Dataset, objects: Sequence[SourceObject]
) -> tuple[EmbeddedObjects, _Winners, list[tuple[int, FailedObject]]]:
    """Embed the last object of each id; where that one fails, the one before it, as if they came one by one."""
    found: EmbeddedObjects | None = None
    winners: _Winners = {}
    failed: list[tuple[int, FailedObject]] = []
    left = list(enumerate(objects))
    while left or found is None:
        last = {source.object_id: (place, source) for place, source in left}
        embedded = embed_objects(embedder, dataset, [source for _, source in last.values()])
        failed += [(last[failure.object_id][0], failure) for failure in embedded.failed]
        winners |= {name: last[name] for name in embedded.parts}
        found = embedded if found is None else joined(dataset, [found, embedded])
        again = {failure.object_id for failure in embedded.failed}
        left = [
            (place, source)
            for place, source in left
            if source.object_id in again and place != last[source.object_id][0]
        ]
    return found, winners, sorted(failed, key=lambda one: one[0])


def _everywhere(
    embedder: Embedder,
    targets: Sequence[Target],
    embedded: EmbeddedObjects,
    winners: _Winners,
    failed: list[tuple[int, FailedObject]],
) -> Prepared:
    """The entry of the first target, and those of the others, for which the winners are embedded again."""
    entries: list[LogEntry] = []
    counts: list[UpdateItem] = []
    failed = list(failed)
    most_parts: dict[str, int] = {}
    tokens = embedded.tokens
    for number, target in enumerate(targets):
        found = embedded
        if number:
            try:
                found = embed_objects(embedder, target.dataset, [source for _, source in winners.values()])
            except (LimitReached, ModelError, NotFound) as error:
                raise ModelProblem(target.dataset, error) from error
            tokens += found.tokens
            failed += [
                (winners[failure.object_id][0], _elsewhere(failure, target)) for failure in found.failed
            ]
        entry = _upsert(target, found, winners)
        if entry is not None:
            entries.append(entry)
            counts.append(_counting(target, found))
        most_parts[target.dataset.dataset_id] = max(found.parts.values(), default=0)
    return Prepared(
        entries,
        counts,
        sorted(failed, key=lambda one: one[0]),
        frozenset(embedded.cut),
        tokens,
        most_parts=most_parts,
    )


def _counting(target: Target, found: EmbeddedObjects) -> UpdateItem:
    most = max(found.parts.values(), default=0)
    return counting(
        keys_of(target.dataset),
        documents=len(found.parts),
        characters=found.characters,
        most_parts=most if most > target.most_parts else None,
    )


def _elsewhere(failure: FailedObject, target: Target) -> FailedObject:
    detail = f"not in the collection of {target.dataset.name}, which a reindex is making: {failure.detail}"
    return replace(failure, detail=detail)


def _upsert(target: Target, found: EmbeddedObjects, winners: _Winners) -> LogEntry | None:
    """Records, and the ids that go with them: parts that an object may have had, and objects that failed here."""
    gone = [part for name in winners if name not in found.parts for part in target.further_parts(name, 0)]
    if target.reach > 1:
        gone += [part for name, parts in found.parts.items() for part in target.further_parts(name, parts)]
    if not found.ids:
        return _deletion(target, gone) if gone else None
    data = encode_upsert(found.ids, found.vectors, found.metadata, removed=gone)
    rows = len(found.ids)
    attributes = {"removed": len(gone)} if gone else {}
    return LogEntry(target.dataset, JobKind.UPSERT, data, rows, reserved=rows, attributes=attributes)


def _deletion(target: Target, gone: Sequence[str]) -> LogEntry:
    return LogEntry(target.dataset, JobKind.DELETE, encode_delete(gone), len(gone))
