"""What one attempt stores: objects under names that nobody else has, and the references that name them."""

from collections.abc import Mapping

from pyroaring import BitMap

from shoal.errors import ObjectMissing
from shoal.index import dead_rows, id_run
from shoal.index.checksums import Buffer, sha256_hex
from shoal.index.id_index import Entries
from shoal.index.properties import properties_files
from shoal.index.shard import encode_shard
from shoal.model import manifests
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token
from shoal.model.manifests import FileRef, Manifest, PartRef, RunRef, ShardRef
from shoal.model.records import Rows
from shoal.services.heads import keys_of
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Ports

_PUT_THREADS = 8


class Outbox:
    """Objects of one attempt: put under names that nobody else has, then seen to be there."""

    def __init__(self, ports: Ports, dataset: Dataset) -> None:
        self._ports = ports
        self._keys = keys_of(dataset)
        self._tenant = TenantKeys(dataset.tenant_id)
        self._objects: dict[str, Buffer] = {}

    def shard(self, rows: Rows, *, index: bytes | None = None) -> ShardRef:
        """Add a shard and describe it. `rows` is not empty.

        One with a graph lives long and is large: it has an index of its properties too.
        """
        between = (int(rows.sequences.min()), int(rows.sequences.max()))
        files = encode_shard(rows, index=index)
        if index is not None:
            files |= properties_files(rows.metadata, rows.namespaces)
        return self.shard_of(files, rows=len(rows), sequences=between)

    def shard_of(self, files: Mapping[str, Buffer], *, rows: int, sequences: tuple[int, int]) -> ShardRef:
        """Add a shard of ready files and describe it: its rows, its lowest and its highest sequence."""
        shard_id = new_token()
        refs = {}
        for name, data in files.items():
            self._objects[self._tenant.shard_file(shard_id, name)] = data
            refs[name] = FileRef(size=len(data), sha256=sha256_hex(data))
        lowest, highest = sequences
        return ShardRef(shard_id=shard_id, rows=rows, min_sequence=lowest, max_sequence=highest, files=refs)

    def run(self, entries: Entries) -> RunRef:
        """Add a run of the id index."""
        data = id_run.encode_run(entries)
        part = self.part("run", data)
        front_size = id_run.RunFront.parse(data).front_size
        return RunRef(
            key=part.key,
            size=part.size,
            sha256=part.sha256,
            entries=len(entries.table),
            front_size=front_size,
            front_sha256=sha256_hex(data[:front_size]),
        )

    def dead(self, dead: Mapping[str, BitMap]) -> PartRef:
        """Add dead rows."""
        return self.part("dead", dead_rows.encode(dead))

    def part(self, kind: str, data: bytes) -> PartRef:
        """Add a part."""
        key = self._keys.part(kind, new_token())
        self._objects[key] = data
        return PartRef(key=key, size=len(data), sha256=sha256_hex(data))

    def flush(self) -> None:
        """Put what has been added so far.

        Raises:
            ObjectMissing: an object that was put is not there.
        """
        in_parallel(self._put_and_check, self._objects.items(), threads=_PUT_THREADS)
        self._objects.clear()

    def send(self, manifest: Manifest) -> tuple[str, str]:
        """Put all objects, then the manifest; (its key, its SHA-256 in hex).

        Raises:
            ObjectMissing: an object that was put is not there.
        """
        self.flush()
        data = manifests.encode(manifest)
        key = self._keys.manifest(manifest.version, new_token())
        self._put_and_check((key, data))
        return key, sha256_hex(data)

    def _put_and_check(self, entry: tuple[str, Buffer]) -> None:
        key, data = entry[0], memoryview(entry[1])
        retry_busy(lambda: self._ports.objects.put(key, data))
        stored = retry_busy(lambda: self._ports.objects.head(key))
        if stored is None or stored.size != len(data):
            raise ObjectMissing(f"{key} was put but is not there")
