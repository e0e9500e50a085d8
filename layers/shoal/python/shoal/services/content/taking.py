"""Taking some documents over into a content index, as they are in one version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shoal.errors import LimitReached, ShoalError, TransactionCancelled
from shoal.model.content_changes import decide
from shoal.model.content_documents import version_of_document
from shoal.model.content_indexes import FailedDocument, Selection
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token, transaction_token
from shoal.services.append import Requirement
from shoal.services.collections.embedding import EmbeddedObjects, embed_objects
from shoal.services.content.build import describe, source_object
from shoal.services.content.holdings import Holdings
from shoal.services.content.items import Failure, IndexItem, failure_item, read_failures
from shoal.services.content.reading import Cursor, read_documents
from shoal.services.embedding import Embedder
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot
from shoal.services.tenants import quota_now
from shoal.services.write import delete_ids, upsert
from shoal.storage.ports import Action, Add, Assign, DeleteItem, Ports, PutItem, Write

_MOST_FAILURES = 80
"""Changes of what failed in one transaction, which holds 100 writes."""


class Overtaken(ShoalError):
    """Somebody else has written to the index since it was read."""


@dataclass(frozen=True, slots=True)
class _FailureChange:
    """What becomes of one failed document, and by how much that changes their number."""

    write: Write
    more: int


class Taking:
    """One process that writes to an index; `index` is as it is after what was written last."""

    def __init__(
        self,
        ports: Ports,
        embedder: Embedder,
        documents: Snapshot,
        dataset: Dataset,
        index: IndexItem,
        holdings: Holdings,
    ) -> None:
        self._ports = ports
        self._embedder = embedder
        self._documents = documents
        self._dataset = dataset
        self._holdings = holdings
        self._quota = quota_now(ports, index.keys.tenant_id, index.vector_quota)
        self.selection: Selection = index.selection
        self.index = index

    def take(self, ids: Sequence[str], cursor: Cursor | None) -> bool:
        """Have the index hold what it selects of these documents, and be at the cursor, if one is given; whether
        any of them was not held as it should be.

        Raises:
            LimitReached: `vector_quota_exceeded`, `token_cap_reached`, `backlog_full`.
            ModelError: as the model raised it.
            NotFound: the index has been deleted, or its model.
            Overtaken: nothing was written.
            StorageBusy, TryAgain: as for `services.write.upsert`.
        """
        latest = read_documents(self._documents, ids)
        held = self._holdings.versions(ids)
        decision = decide(self.selection, ids, latest, held)
        objects = [source_object(self.selection, document) for document in decision.embed]
        found = embed_objects(self._embedder, self._dataset, objects, describe=describe)
        tried = {document.document_id: version_of_document(document) for document in decision.embed}
        failed = {
            one.object_id: Failure(FailedDocument(one.object_id, one.detail, one.stage), tried[one.object_id])
            for one in found.failed
        }
        # What is not embedded any more must not be found as it was before.
        outdated = [name for name in failed if held is None or name in held]
        removed = [*decision.remove, *outdated]
        changes = self._failure_changes(ids, failed)
        worked = bool(found.ids or removed or changes)
        while len(changes) > _MOST_FAILURES:
            self._turn(changes[:_MOST_FAILURES])
            changes = changes[_MOST_FAILURES:]
        moved = _moved(cursor)
        if found.ids or removed:
            self._write(found, removed, changes, moved)
        elif moved or changes:
            self._turn(changes, moved)
        self._holdings.note({name: tried[name] for name in found.ids}, removed)
        if cursor is not None:
            self.index = replace(self.index, synced=cursor.sequence, after_id=cursor.after_id)
        return worked

    def _failure_changes(self, ids: Sequence[str], failed: Mapping[str, Failure]) -> list[_FailureChange]:
        """What is to be told of documents that failed, now or before."""
        keys = self.index.keys
        known = read_failures(self._ports, keys, ids) if self.index.failed else {}
        changes = [
            _FailureChange(PutItem(failure_item(keys, failure)), int(name not in known))
            for name, failure in failed.items()
            if known.get(name) != failure
        ]
        mended = (name for name in known if name not in failed)
        return changes + [_FailureChange(DeleteItem(keys.content_failure(name)), -1) for name in mended]

    def _write(
        self,
        found: EmbeddedObjects,
        removed: Sequence[str],
        changes: Sequence[_FailureChange],
        moved: tuple[Action, ...],
    ) -> None:
        writes = self._writes(changes, moved)
        requires = tuple(Requirement(write, Overtaken("the index is written to")) for write in writes)
        if found.ids:
            try:
                upsert(
                    self._ports,
                    self._dataset,
                    ids=found.ids,
                    vectors=found.vectors,
                    metadata=found.metadata,
                    vector_quota=self._quota,
                    removed=removed,
                    requires=requires,
                )
            except LimitReached as full:
                if removed and full.code == "vector_quota_exceeded":
                    self._remove_alone(removed)
                raise
        else:
            delete_ids(self._ports, self._dataset, removed, requires=requires)
        self._turned(changes)

    def _remove_alone(self, removed: Sequence[str]) -> None:
        """What has to go goes, though nothing new has room: it must not be found any more, and may make the room.

        The cursor stays: the rest of these documents is looked at again.
        """
        turned = Requirement(self._writes((), ())[0], Overtaken("the index is written to"))
        delete_ids(self._ports, self._dataset, removed, requires=(turned,))
        self._turned(())
        self._holdings.note({}, removed)

    def _turn(self, changes: Sequence[_FailureChange], moved: tuple[Action, ...] = ()) -> None:
        """Write what needs no place in the log of the index."""
        writes = self._writes(changes, moved)
        token = transaction_token("content", new_token())
        try:
            retry_busy(lambda: self._ports.table.transact(writes, token=token), attempts=10)
        except TransactionCancelled as lost:
            raise Overtaken("the index is written to") from lost
        self._turned(changes)

    def _writes(self, changes: Sequence[_FailureChange], moved: tuple[Action, ...]) -> list[Write]:
        more = sum(change.more for change in changes)
        actions: tuple[Action, ...] = (*moved, *((Add("failed", more),) if more else ()))
        turned = self.index.turned(*actions, now=self._ports.clock())
        return [turned, *(change.write for change in changes)]

    def _turned(self, changes: Sequence[_FailureChange]) -> None:
        failed = self.index.failed + sum(change.more for change in changes)
        self.index = replace(self.index, turn=self.index.turn + 1, failed=failed)


def _moved(cursor: Cursor | None) -> tuple[Action, ...]:
    if cursor is None:
        return ()
    return (Assign("synced", cursor.sequence), Assign("after_id", cursor.after_id))
