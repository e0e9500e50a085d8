"""Step `mask`: one piece of the source is looked at, and what the condition leaves out of it is stored."""

from collections.abc import Mapping
from typing import Any

from shoal.index import shard_masks
from shoal.model.derivations import Masked, MaskItem, TakenVersion
from shoal.services.derived.masking import masks_of, sieve_of
from shoal.services.derived.run import DerivationRun, open_version


def mask(work: DerivationRun, item: Mapping[str, Any]) -> dict[str, Any]:
    """Look at a piece, unless an earlier attempt has."""
    task = MaskItem.of_item(item)
    name = f"mask-{task.number:06d}"
    if work.recorded(name, Masked) is None:
        snapshot = open_version(work.reader(), work.dataset, work.needed("source", TakenVersion))
        found = masks_of(snapshot, task.sources, sieve_of(work.condition))
        made = Masked(number=task.number, rows=task.rows, masks=work.put(name, shard_masks.encode(found)))
        _, ours = work.record(name, made)
        if ours:
            work.rows_done(task.rows)
    return {}
