"""Records of workflows as they are stored: sealed, so that nothing of them changes unseen."""

import pytest

from shoal.errors import CorruptObject
from shoal.model.import_work import Chunk
from shoal.model.manifests import Recall
from shoal.model.work import WorkRecord

CHUNK = Chunk(number=3, key="t/upload", version_id=None, start=5, stop=90, row_groups=(1, 2), sample_rows=7)


class Measured(WorkRecord):
    """A record with fractions."""

    recall: Recall


@pytest.mark.parametrize(
    "record",
    [CHUNK, Measured(recall=Recall(target=0.95, measured=1 / 3, ef=64, samples=10, sampled_at=1.8e9 + 0.1))],
)
def test_a_record_comes_back_with_its_seal_and_without(record: WorkRecord) -> None:
    assert type(record).parse(record.sealed()) == record
    assert type(record).parse(record.line()) == record


def test_every_changed_bit_of_a_record_is_seen() -> None:
    stored = CHUNK.sealed()
    for place in range(len(stored)):
        for bit in range(8):
            other = bytearray(stored)
            other[place] ^= 1 << bit
            with pytest.raises(CorruptObject):
                Chunk.parse(bytes(other))
    for end in range(len(stored)):
        with pytest.raises(CorruptObject):
            Chunk.parse(stored[:end])
