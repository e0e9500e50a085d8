"""Roots of versions without the engine: read, stored, and what they name. It takes no numpy to give one a name."""

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.checksums import sha256_hex, verify
from shoal.model import manifests
from shoal.model.manifests import Manifest, PartRef
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Ports


def read_root(ports: Ports, key: str, sha256: str) -> Manifest:
    """The root that is named by key and SHA-256 (hex).

    Raises:
        CorruptObject: it is missing, or not the one that is named.
    """
    try:
        data = retry_busy(lambda: ports.objects.get(key))
    except ObjectMissing as error:
        raise CorruptObject(f"{key} is missing") from error
    verify(data, sha256=sha256, size=len(data), name=key)
    return manifests.decode(data)


def put_root(ports: Ports, keys: DatasetKeys, manifest: Manifest, *, unique: str) -> tuple[str, str]:
    """Store a root of a dataset; (its key, its SHA-256 in hex).

    Raises:
        CorruptObject: it was put but is not there.
    """
    data = manifests.encode(manifest)
    key = keys.manifest(manifest.version, unique)
    retry_busy(lambda: ports.objects.put(key, data))
    check_there(ports, {key: len(data)})
    return key, sha256_hex(data)


def named_by(tenant_id: str, manifest: Manifest) -> dict[str, int]:
    """The objects that a root itself names: key and size in bytes. Its cell sets name more."""
    tenant = TenantKeys(tenant_id)
    base: tuple[PartRef, ...] = (manifest.dead_base,) if manifest.dead_base else ()
    parts = (*manifest.runs, *manifest.cell_sets, *base, *manifest.dead_increments)
    return {part.key: part.size for part in parts} | {
        tenant.shard_file(shard.shard_id, name): file.size
        for shard in manifest.shards
        for name, file in shard.files.items()
    }


def check_there(ports: Ports, expected: dict[str, int]) -> None:
    """See that objects are stored, given by key and size (invariant 7: a commit checks what it newly names).

    Raises:
        CorruptObject: one is missing, or is of another size.
    """
    heads = in_parallel(lambda key: retry_busy(lambda: ports.objects.head(key)), expected)
    for (key, size), stored in zip(expected.items(), heads, strict=True):
        if stored is None or stored.size != size:
            raise CorruptObject(f"{key} is missing, or not of {size} bytes")
