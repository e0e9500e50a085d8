"""Transactions of mutations: documents are read, changed and put back at one place of the log, or not at all.

Every write to a dataset of documents counts up one number in the same transaction as it takes its place. Who reads
documents to change them notes the number, waits until all places that were taken by then are applied, and writes
only if the number is still that: otherwise it starts again. A transaction that leaves the same whatever is there
needs none of that, and is written at once.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shoal.errors import InvalidInput, NotFound, TryAgain
from shoal.model.content_documents import Deletion, Document, EncodedChange, encoded_change, timestamp_of
from shoal.model.datasets import Dataset, Head
from shoal.model.limits import MAX_BODY_BYTES
from shoal.model.mutations import Body, Numbered, Result, Stamp, apply_mutations, ids_of, is_blind
from shoal.services.append import Requirement
from shoal.services.applied import wait_for_log
from shoal.services.content.documents import counted, enter
from shoal.services.content.reading import read_documents
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.retry import retry_busy
from shoal.services.snapshot import open_snapshot
from shoal.services.waiting import Pause
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, Add, Compare, Ports, UpdateItem

WAIT_SECONDS = 16.0
"""How long a transaction waits for those before it, with all its attempts; a request has 30 s."""
_ATTEMPTS = 10
_ATTEMPT_SECONDS = 8.0
"""How long one attempt waits: that of a place that was left open, and then some."""


@dataclass(frozen=True, slots=True)
class Mutated:
    """What a transaction did: its id, and a result for each mutation, in their order."""

    transaction_id: str
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is to be done. `transaction_id` becomes the revision of its documents; None: a new one.

    `dry_run`: nothing is written. `check` is shown what comes of it before anything is written, and may refuse.
    """

    mutations: tuple[Numbered, ...]
    transaction_id: str | None = None
    dry_run: bool = False
    check: Callable[[Mutated], None] = lambda _: None


class _Overtaken(TryAgain):
    """There was another write in between."""


def mutate(
    ports: Ports,
    reader: PartReader,
    dataset: Dataset,
    transaction: Transaction,
    *,
    vector_quota: int | None,
    pause: Pause,
) -> Mutated:
    """Do all of a transaction, or nothing.

    What a transaction of `createOrReplace` and `delete` alone finds there, and so what it calls them in its
    results, is that of the version which can be read at the moment.

    Args:
        ports: where to write, and the clock.
        reader: what reads documents.
        dataset: of documents.
        transaction: what to do.
        vector_quota: records that the tenant may hold; None for no limit.
        pause: how to wait for the writes before it.

    Raises:
        Conflict: `document_exists`, `revision_mismatch`.
        InvalidInput: a document would not be one any more; `transaction_too_large`.
        LimitReached: `vector_quota_exceeded`, or `backlog_full` while the indexer is behind.
        NotFound: `document_not_found`; `dataset_not_found`.
        ShoalError: what the transaction's `check` raises.
        TooLarge: `document_too_large`; names the document.
        TryAgain: nothing was written: there are too many other writes.
    """
    attempt = _Attempt(ports, reader, dataset, transaction, vector_quota, pause)
    if is_blind(transaction.mutations):
        return attempt.blindly()
    until = ports.clock() + WAIT_SECONDS
    for _ in range(_ATTEMPTS):
        try:
            return attempt.make()
        except _Overtaken:
            if ports.clock() >= until:
                break
    raise TryAgain("the dataset is written to all the time; nothing was changed, send the request again")


class _Attempt:
    """A transaction that is tried, as often as it takes."""

    def __init__(
        self,
        ports: Ports,
        reader: PartReader,
        dataset: Dataset,
        transaction: Transaction,
        vector_quota: int | None,
        pause: Pause,
    ) -> None:
        self._ports = ports
        self._reader = reader
        self._dataset = dataset
        self._keys = keys_of(dataset)
        self._transaction = transaction
        self._vector_quota = vector_quota
        self._pause = pause
        self._id = transaction.transaction_id or secrets.token_urlsafe(16)

    def blindly(self) -> Mutated:
        """Write whatever is there."""
        head = read_head(self._ports, self._keys)
        if head is None or not head.live:
            raise NotFound("dataset_not_found", "dataset not found")
        return self._write(head, counted(self._dataset))

    def make(self) -> Mutated:
        """Read, and write if nobody else did in between.

        Raises:
            _Overtaken: somebody did.
            TryAgain: earlier writes are not applied in time.
        """
        count = changes_of(self._ports, self._keys)
        head = wait_for_log(self._ports, self._keys, seconds=_ATTEMPT_SECONDS, pause=self._pause)
        if head is None:
            raise TryAgain("earlier writes are not applied yet; nothing was changed, send the request again")
        return self._write(head, only_after(self._keys, count))

    def _write(self, head: Head, requires: tuple[Requirement, ...]) -> Mutated:
        there, latest = self._there(head)
        now = self._ports.clock()
        now_ms = int(now * 1000)
        stamp = Stamp(self._id, timestamp_of(now_ms))
        outcome = apply_mutations(self._transaction.mutations, there, stamp)
        changes = [
            encoded_change(_change(name, body, max(now_ms, latest.get(name, -1) + 1)), now=now)
            for name, body in outcome.changed.items()
        ]
        _check_size(changes)
        done = Mutated(self._id, outcome.results)
        self._transaction.check(done)
        if changes and not self._transaction.dry_run:
            enter(
                self._ports,
                self._dataset,
                changes,
                condition=None,
                requires=requires,
                # A deletion takes the place of its document, so there is room for it: full tenants can tidy up.
                vector_quota=None
                if all(body is None and name in there for name, body in outcome.changed.items())
                else self._vector_quota,
            )
        return done

    def _there(self, head: Head) -> tuple[dict[str, Body], dict[str, int]]:
        """The documents that exist, and when everything that is there became so."""
        snapshot = open_snapshot(self._reader, self._dataset, head)
        mutations = self._transaction.mutations
        if is_blind(mutations):
            found = read_documents(snapshot, ids_of(mutations), bodies=False)
        else:
            found = read_documents(snapshot, ids_of(mutations), most_bytes=MAX_BODY_BYTES)
        documents = {name: each.body for name, each in found.items() if isinstance(each, Document)}
        return documents, {name: each.updated_ms for name, each in found.items()}


def _check_size(changes: Sequence[EncodedChange]) -> None:
    size = sum(len(change.text) for change in changes)
    if size > MAX_BODY_BYTES:
        raise InvalidInput(
            "transaction_too_large",
            f"the documents have {size} bytes together, and a transaction may leave {MAX_BODY_BYTES}; "
            "send several",
        )


def _change(document_id: str, body: Mapping[str, object] | None, updated_ms: int) -> Document | Deletion:
    if body is None:
        return Deletion(document_id, updated_ms)
    return Document(document_id, body, updated_ms)


def changes_of(ports: Ports, keys: DatasetKeys) -> int:
    """How many writes there have been."""
    item = retry_busy(lambda: ports.table.get(keys.content))
    return int(item.get("changes", 0)) if item else 0


def only_after(keys: DatasetKeys, count: int) -> tuple[Requirement, ...]:
    """That there have been so many writes, of which this is the next.

    Raises, when it is required:
        TryAgain: there was another one.
    """
    as_read = Compare("changes", "=", count) if count else Absent("changes")
    bump = UpdateItem(keys.content, (Add("changes", 1),), condition=as_read)
    return (Requirement(bump, _Overtaken("there was another write")),)
