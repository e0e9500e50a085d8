"""What a content index holds: the version of each document, as its records and what was just written say.

An index is written to by who follows its documents alone, one at a time (`IndexItem.turn`). So once its log is
applied, its records and what one has written oneself since are all that there is.
"""

from collections.abc import Mapping, Sequence

import orjson

from shoal.model.content_indexes import IndexField
from shoal.model.datasets import Dataset
from shoal.services.content.items import IndexItem, parse_failure
from shoal.services.fetch import fetch_from
from shoal.services.heads import read_head
from shoal.services.paging import every_item
from shoal.services.parts import PartReader
from shoal.services.reindex.version import live_records, parts_of
from shoal.services.retry import retry_busy
from shoal.services.rounds import BUDGET_BYTES
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.storage.keys import CONTENT_FAILURE_PREFIX, DatasetKeys
from shoal.storage.ports import Ports

_ROWS_A_PART = 4096


class Holdings:
    """The versions that one index holds, as of the turn of `index` and what is noted afterwards."""

    def __init__(self, ports: Ports, reader: PartReader, dataset: Dataset, index: IndexItem) -> None:
        """`index` was read before anything that is read here."""
        self._ports = ports
        self._reader = reader
        self._dataset = dataset
        self._keys = index.keys
        self._known = False
        self._snapshot: Snapshot | None = None
        self._written: dict[str, str | None] = {}

    def versions(self, ids: Sequence[str]) -> dict[str, str] | None:
        """Of those that are in the index, by id; None where that cannot be known yet."""
        if not self._look():
            return None
        found: dict[str, str] = {}
        waiting = tuple(ids)
        while waiting:
            fetched = fetch_from(
                self._snapshot, waiting, include_values=False, include_document=False, budget=BUDGET_BYTES
            )
            found |= {record.id: _version(record.metadata) for record in fetched.records}
            waiting = fetched.unprocessed_ids
        return self._now(found, {name: self._written[name] for name in ids if name in self._written})

    def everything(self) -> dict[str, str] | None:
        """The versions of all documents in the index, by id; None where that cannot be known yet."""
        if not self._look():
            return None
        found: dict[str, str] = {}
        if self._snapshot is not None:
            sources = (part.source for part in parts_of(self._snapshot, _ROWS_A_PART))
            records = live_records(self._snapshot, sources, documents=False)
            found = {record.id: _version(record.metadata) for record in records}
        return self._now(found, self._written)

    def note(self, written: Mapping[str, str], removed: Sequence[str]) -> None:
        """Remember what has been written: versions by id, and ids that are gone."""
        self._written |= written
        self._written |= dict.fromkeys(removed)

    def _look(self) -> bool:
        """Whether all that was written before the first look is applied, and so is known."""
        if not self._known:
            counter = retry_busy(lambda: self._ports.table.get(self._keys.sequence))
            head = read_head(self._ports, self._keys)
            newest = int(counter["next"]) if counter else 0
            if head is not None and head.live and head.watermark >= newest:
                self._snapshot = open_snapshot(self._reader, self._dataset, head)
                self._known = True
        return self._known

    @staticmethod
    def _now(found: dict[str, str], written: Mapping[str, str | None]) -> dict[str, str]:
        merged: dict[str, str | None] = {**found, **written}
        return {name: version for name, version in merged.items() if version is not None}


def all_failures(ports: Ports, keys: DatasetKeys) -> dict[str, str]:
    """The version of each document that is known to have failed, by id."""
    items = every_item(ports, keys.partition, prefix=CONTENT_FAILURE_PREFIX)
    failures = (parse_failure(item) for item in items)
    return {failure.document.document_id: failure.version for failure in failures}


def _version(metadata: bytes) -> str:
    return str(orjson.loads(metadata)[IndexField.VERSION])
