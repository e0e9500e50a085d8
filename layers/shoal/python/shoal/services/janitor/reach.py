"""What is needed: everything that the manifests which are roots name, themselves or through their cell sets.

A root that cannot be read, or is not what names it, ends it: nobody knows then what is needed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import batched

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.cell_set import shards_of
from shoal.index.checksums import verify
from shoal.model import manifests
from shoal.model.import_work import Product
from shoal.model.manifests import CellSetRef, Manifest, PartRef, ShardRef
from shoal.services.janitor.garbage import Needed
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.ports import ObjectStore

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Roots:
    """Where everything that is needed begins.

    `manifests`: by key, the SHA-256 (hex) that something names them with, None where they were only found.
    `products`: of imports that wait in a log, by key, with their SHA-256. `log_keys`: of writes that wait, and of
    what derived datasets remember of shards.
    """

    manifests: Mapping[str, str | None]
    products: Mapping[str, str]
    log_keys: frozenset[str]


def needed_by(objects: ObjectStore, roots: Roots, *, go_on: Callable[[], None] = lambda: None) -> Needed:
    """Follow the roots.

    Args:
        objects: where they lie.
        roots: where to begin.
        go_on: called now and then; may raise to give up.

    Raises:
        CorruptObject: a root, or something on the way, is missing or cannot be read.
        StorageError: storage failed.
    """
    keys = {*roots.manifests, *roots.log_keys}
    shards: set[str] = set()
    cell_sets: dict[str, CellSetRef] = {}

    def take(flat: Iterable[ShardRef], parts: Iterable[PartRef], cells: Iterable[CellSetRef]) -> None:
        shards.update(shard.shard_id for shard in flat)
        keys.update(part.key for part in parts)
        cell_sets.update({ref.key: ref for ref in cells})

    for some in batched(roots.manifests.items(), _AT_ONCE):
        go_on()
        for manifest in in_parallel(lambda entry: _manifest(objects, *entry), some):
            base = (manifest.dead_base,) if manifest.dead_base else ()
            take(manifest.shards, (*manifest.runs, *base, *manifest.dead_increments), manifest.cell_sets)
    for product in in_parallel(lambda entry: _product(objects, *entry), tuple(roots.products.items())):
        if product is not None:
            take(_given(product.shard), _given(product.run), _given(product.cell_set))
    for refs in batched(cell_sets.values(), _AT_ONCE):
        go_on()
        for named in in_parallel(lambda ref: _shards(objects, ref), refs):
            shards.update(shard.shard_id for shard in named)
    return Needed(frozenset(keys) | cell_sets.keys(), frozenset(shards))


def _manifest(objects: ObjectStore, key: str, sha256: str | None) -> Manifest:
    data = _read(objects, key)
    if sha256 is not None:
        verify(data, sha256=sha256, size=len(data), name=key)
    try:
        return manifests.decode(data)
    except CorruptObject as error:
        raise CorruptObject(f"{key}: {error}") from error


def _product(objects: ObjectStore, key: str, sha256: str) -> Product | None:
    """What an import that waits in the log has built; None where that has expired: then the import fails."""
    try:
        data = retry_busy(lambda: objects.get(key))
    except ObjectMissing:
        return None
    verify(data, sha256=sha256, size=len(data), name=key)
    return Product.parse(data)


def _shards(objects: ObjectStore, ref: CellSetRef) -> tuple[ShardRef, ...]:
    data = _read(objects, ref.key)
    verify(data, sha256=ref.sha256, size=ref.size, name=ref.key)
    return shards_of(data)


def _read(objects: ObjectStore, key: str) -> bytes:
    try:
        return retry_busy(lambda: objects.get(key))
    except ObjectMissing as missing:
        raise CorruptObject(f"{key} is needed, but it is not there") from missing


def _given[T](item: T | None) -> tuple[T, ...]:
    return () if item is None else (item,)
