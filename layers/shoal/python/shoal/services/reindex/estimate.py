"""What a reindex would take, before it begins: an estimate from what is counted of the source."""

from shoal.model.bindings import Family
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.reindexes import Counted, Estimate, estimated
from shoal.services.collections.catalog import find_collection
from shoal.services.collections.counts import read_counts
from shoal.services.heads import keys_of, read_head
from shoal.services.reindex.starting import check_ends
from shoal.storage.ports import Ports

FUNCTIONS_AT_ONCE = 3
"""As the setting `reindex_max_concurrency` has it by default."""


def estimate(
    ports: Ports,
    tenant_id: str,
    *,
    family: Family,
    source: EmbeddingModel,
    dest: EmbeddingModel,
    concurrency: int = FUNCTIONS_AT_ONCE,
) -> Estimate:
    """What it would take to embed the objects of one model's collection with another.

    Raises:
        InvalidInput: `reindex_onto_itself`.
        NotFound: `collection_not_found`: the source.
    """
    check_ends(source, dest)
    dataset = find_collection(ports, tenant_id, family, source.model_id)
    head = read_head(ports, keys_of(dataset))
    counts = read_counts(ports, keys_of(dataset))
    counted = Counted(
        rows=head.row_count if head else 0,
        many_parts=counts.most_parts > 1,
        documents=counts.documents,
        characters=counts.characters,
    )
    return estimated(counted, dest, concurrency=concurrency)
