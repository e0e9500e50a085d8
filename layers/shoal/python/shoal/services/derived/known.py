"""What is remembered of the shards that were looked at before."""

import logging

from shoal.errors import CorruptObject
from shoal.index import shard_masks
from shoal.index.shard_masks import ShardMasks
from shoal.model.manifests import PartRef
from shoal.services.loadable import Part
from shoal.services.parts import PartReader

_log = logging.getLogger(__name__)


def masks_part(ref: PartRef) -> Part[ShardMasks]:
    """Stored masks."""
    return Part(ref.key, ref.size, ref.sha256, shard_masks.decode)


def known_masks(reader: PartReader, ref: PartRef) -> ShardMasks | None:
    """What is remembered; None where it is lost: then all shards are looked at once more."""
    try:
        return reader.load(masks_part(ref))
    except CorruptObject as damaged:
        _log.warning("masks are lost", extra={"reason": str(damaged)})
        return None
