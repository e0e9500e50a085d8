"""Content indexes that follow their documents: what has changed since is looked up as it is now, and taken over.

Only the state of a document counts, never what happened to it: whatever comes late, twice or in another order, an
index ends with what its filter selects of the latest versions. How far it is moves in one transaction with what is
written, so each change is taken over once, whoever works on it at the same time; who is overtaken leaves it.
"""

import logging
from collections.abc import Sequence
from itertools import batched

from shoal.errors import LimitReached, ModelBusy, ModelError, NotFound
from shoal.model.content_changes import differences
from shoal.model.content_documents import version_of_document
from shoal.model.datasets import Dataset, Head
from shoal.model.imports import ImportStatus
from shoal.services.content.activate import activate
from shoal.services.content.holdings import Holdings, all_failures
from shoal.services.content.items import IndexItem, read_index, say_behind
from shoal.services.content.markers import tidy
from shoal.services.content.reading import Cursor, changed_since, scan
from shoal.services.content.taking import Overtaken, Taking
from shoal.services.embedding import Embedder
from shoal.services.followers import Child, wake_followers
from shoal.services.heads import keys_of
from shoal.services.imports.ending import conclude
from shoal.services.imports.lookup import read_import
from shoal.services.parts import PartReader
from shoal.services.reindex.lookup import is_there, read_dataset
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
_LOOKED_UP = 20_000
"""Ids that are looked up in the log at once: of an import, each time all of its rows are gone through."""
_BATCH = 256
"""Documents of one write: they are held in memory, parsed."""
_SOON_SECONDS = 2
_LATER_SECONDS = 30


def follow_content(
    ports: Ports,
    embedder: Embedder,
    reader: PartReader,
    source: Dataset,
    head: Head,
    child: Child,
    *,
    owner: str,
    budget_seconds: float,
) -> bool:
    """Bring a content index up to a version of its documents; whether it is there.

    Where it is not, it has begun to be: it is being built, it asks itself to be woken again, or it says what it
    waits for (`ContentIndex.error`), and goes on when the sweep wakes it.

    Args:
        ports: where.
        embedder: the models.
        reader: of the process.
        source: the dataset of documents.
        head: its HEAD.
        child: the index, as the documents know it.
        owner: who works on it, for the log.
        budget_seconds: after which it leaves the rest to the next one.

    Raises:
        CorruptObject: something stored is not what names it.
        NotFound: `index_not_found`: it has been deleted.
        StorageBusy, TryAgain: storage is busy; it goes on later.
    """
    keys = DatasetKeys(source.tenant_id, child.dataset_id)
    dataset, index = read_dataset(ports, keys), read_index(ports, keys)
    if dataset is None or index is None or not is_there(ports, keys):
        raise NotFound("index_not_found", "the content index has been deleted")
    if not index.active:
        job = read_import(ports, index.build)
        job = conclude(ports, job) if job else None
        if job is None or job.status is ImportStatus.FAILED:
            return True  # there is nothing that could follow
        if job.status is not ImportStatus.COMPLETED:
            return False  # the end of the build wakes
        activate(ports, index, job)
        index = read_index(ports, keys)
        if index is None or not index.active:
            return False
    following = _Following(
        ports, embedder, reader, source, head, dataset, until=ports.clock() + budget_seconds
    )
    try:
        done = following.go(index)
    except Overtaken:
        _log.info("overtaken", extra={"dataset_id": keys.dataset_id, "owner": owner})
        wake_followers(ports, keys_of(source), delay_seconds=_SOON_SECONDS)
        return False
    except (LimitReached, ModelError) as problem:
        return _waits(ports, source, keys, problem)
    except NotFound as missing:
        if missing.code != "model_not_found":
            raise
        return _waits(ports, source, keys, missing)
    if not done:
        wake_followers(ports, keys_of(source))
        return False
    _say(ports, keys, None)
    tidy(ports, reader, source)
    return True


def _waits(
    ports: Ports, source: Dataset, keys: DatasetKeys, problem: LimitReached | ModelError | NotFound
) -> bool:
    """Say what an index waits for; what passes by itself within a minute is tried again by then."""
    _log.warning("content index waits", extra={"dataset_id": keys.dataset_id, "reason": problem.message})
    backlog = isinstance(problem, LimitReached) and problem.code == "backlog_full"
    if not backlog:
        _say(ports, keys, problem.message)
    if backlog or isinstance(problem, ModelBusy):
        wake_followers(ports, keys_of(source), delay_seconds=_LATER_SECONDS)
    return False


def _say(ports: Ports, keys: DatasetKeys, why: str | None) -> None:
    index = read_index(ports, keys)
    if index is not None:
        say_behind(ports, index, why)


class _Following:
    """One index on its way to one version."""

    def __init__(
        self,
        ports: Ports,
        embedder: Embedder,
        reader: PartReader,
        source: Dataset,
        head: Head,
        dataset: Dataset,
        *,
        until: float,
    ) -> None:
        self._ports = ports
        self._embedder = embedder
        self._reader = reader
        self._head = head
        self._snapshot = open_snapshot(reader, source, head)
        self._dataset = dataset
        self._until = until

    def go(self, index: IndexItem) -> bool:
        """Take over what has changed; whether that was all.

        Raises:
            Overtaken: somebody else does.
        """
        snapshot = self._snapshot
        if snapshot is None:
            return True
        holdings = Holdings(self._ports, self._reader, self._dataset, index)
        taking = Taking(self._ports, self._embedder, snapshot, self._dataset, index, holdings)
        while taking.index.synced < self._head.watermark:
            cursor = Cursor(taking.index.synced, taking.index.after_id)
            changed = changed_since(self._ports, snapshot, cursor, most=_LOOKED_UP)
            if changed is None:
                return self._all_again(snapshot, taking, holdings)
            if not self._take(taking, changed.ids, changed.cursor):
                return False
        return True

    def _take(self, taking: Taking, ids: Sequence[str], cursor: Cursor) -> bool:
        """Take over the documents of these ids, and be at the cursor then; False where the time was over first."""
        left = len(ids)
        for some in batched(ids, _BATCH):
            left -= len(some)
            worked = taking.take(some, None if left else cursor)
            # What was done in an earlier turn is passed by, or there would be turns that come no further.
            if left and worked and self._time_is_over():
                return False
        if not ids:
            taking.take((), cursor)
        return not self._time_is_over() or cursor.sequence >= self._head.watermark

    def _time_is_over(self) -> bool:
        return self._ports.clock() > self._until

    def _all_again(self, snapshot: Snapshot, taking: Taking, holdings: Holdings) -> bool:
        """Compare all documents with all that the index holds: the log does not tell any more what has changed."""
        held = holdings.everything()
        if held is None:
            return False  # what it was sent is not applied yet
        selection = taking.selection
        wanted = {
            document.document_id: version_of_document(document)
            for document in scan(snapshot)
            if selection.selects(document)
        }
        ids = differences(wanted, held, all_failures(self._ports, taking.index.keys))
        _log.info(
            "content index compared with all documents",
            extra={"dataset_id": self._dataset.dataset_id, "different": len(ids)},
        )
        return self._take(taking, ids, Cursor(self._head.watermark))
