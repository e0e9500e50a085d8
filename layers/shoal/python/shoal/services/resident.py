"""The resident shard: rows with one graph over them, calibrated."""

from shoal.index.calibrate import calibrate
from shoal.index.graph import Graph, build_graph
from shoal.model.datasets import Dataset
from shoal.model.manifests import Recall, ShardRef
from shoal.model.records import Rows
from shoal.services.outbox import Outbox

_CALIBRATION_SEED = 7


def resident_shard(
    outbox: Outbox, dataset: Dataset, rows: Rows, *, now: float, graph: Graph | None = None
) -> tuple[ShardRef, Recall]:
    """Add the shard of rows to an outbox, and say what recall it has.

    Args:
        outbox: where the shard goes.
        dataset: whose rows they are.
        rows: at least one.
        now: in epoch seconds.
        graph: over exactly the vectors of these rows; None has one built.
    """
    if graph is None:
        graph = build_graph(rows.vectors, dataset.metric)
    found = calibrate(
        graph, rows.vectors, dataset.metric, target=dataset.target_recall, seed=_CALIBRATION_SEED
    )
    recall = Recall(
        target=dataset.target_recall,
        measured=found.measured,
        ef=found.ef,
        samples=found.samples,
        sampled_at=now,
    )
    return outbox.shard(rows, index=graph.save()), recall
