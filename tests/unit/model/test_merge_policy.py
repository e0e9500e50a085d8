"""What is due: the drawn example, and any writes, deletes and imports, with all that becomes due done."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model.datasets import Metric
from shoal.model.limits import EXACT_LIMIT_BYTES, MAX_IMPORT_ROWS, ONE_SHARD_BYTES
from shoal.model.manifests import CellRecall, CellSetRef, FileRef, Manifest, ShardRef
from shoal.model.merge_policy import (
    BUILD_SHARE,
    REBUILD_DEAD_SHARE,
    TIER_RATIO,
    Build,
    Compact,
    Due,
    Nothing,
    could_be_due,
    due,
    must_rebuild,
)

DIMENSION = 1000
ROW_BYTES = DIMENSION * 4
MB = 250
"""Rows of a megabyte."""
RECALL = CellRecall(
    target=0.95,
    measured=1.0,
    probes=1,
    filtered_measured=1.0,
    filtered_probes=1,
    samples=1,
    sampled_at=0.0,
)


@dataclass
class Pieces:
    """A dataset as rows: [all of them, the dead ones] of each piece; deltas as one."""

    resident: list[int] | None = None
    deltas: list[int] | None = None
    sets: list[list[int]] = field(default_factory=list)

    def manifest(self) -> Manifest:
        everything = [piece for piece in (self.resident, self.deltas, *self.sets) if piece]
        return Manifest(
            dataset_id="d",
            version=1,
            dimension=DIMENSION,
            metric=Metric.L2,
            row_count=sum(rows - dead for rows, dead in everything),
            resident=_shard("resident", self.resident[0]) if self.resident else None,
            deltas=(_shard("delta", self.deltas[0]),) if self.deltas else (),
            cell_sets=tuple(
                CellSetRef(
                    key=f"set-{number}", size=1, sha256="", cells=1, rows=rows, sequence=1, recall=RECALL
                )
                for number, (rows, _) in enumerate(self.sets)
            ),
        )

    def due(self, *, thorough: bool = False) -> Due:
        dead = {"resident": self.resident[1] if self.resident else 0}
        dead |= {"delta": self.deltas[1] if self.deltas else 0}
        dead |= {f"set-{number}": one[1] for number, one in enumerate(self.sets)}
        found = due(self.manifest(), dead, thorough=thorough)
        if not thorough and found != Nothing():
            assert could_be_due(self.manifest())
        return found

    def do(self, what: Due) -> int:
        """Do what is due; how many rows that wrote anew."""
        flat = [piece for piece in (self.resident, self.deltas) if piece]
        if isinstance(what, Build):
            kept = self.resident or [0, 0]
            if what.afresh or must_rebuild(rows=kept[0], dead=kept[1]):
                kept = [kept[0] - kept[1], 0]
            moved = self.deltas[0] - self.deltas[1] if self.deltas else 0
            self.resident, self.deltas = [kept[0] + moved, kept[1]], None
            return self.resident[0]
        assert isinstance(what, Compact)
        chosen = {int(key.removeprefix("set-")) for key in what.cell_sets}
        taken = [*flat, *(one for number, one in enumerate(self.sets) if number in chosen)]
        rows = sum(all_rows - dead for all_rows, dead in taken)
        self.resident = self.deltas = None
        self.sets = [one for number, one in enumerate(self.sets) if number not in chosen]
        if rows * ROW_BYTES <= ONE_SHARD_BYTES:
            self.resident = [rows, 0] if rows else None
        else:
            self.sets.append([rows, 0])
        return rows


def _shard(name: str, rows: int) -> ShardRef:
    files = {"vectors.f32": FileRef(size=rows * ROW_BYTES, sha256="")}
    return ShardRef(shard_id=name, rows=rows, min_sequence=1, max_sequence=1, files=files)


def mb(resident: float, deltas: float, *sets: tuple[float, float]) -> Pieces:
    """Pieces in MB: each cell set with its live and its dead ones."""
    return Pieces(
        [round(resident * MB), 0] if resident else None,
        [round(deltas * MB), 0] if deltas else None,
        [[round((live + dead) * MB), round(dead * MB)] for live, dead in sets],
    )


BIG = (1000, 0)


@pytest.mark.parametrize(
    ("before", "expected", "after"),
    [
        (mb(40, 10, BIG), Nothing(), None),
        (mb(40, 20, BIG), Build(), mb(60, 0, BIG)),
        (mb(50, 20, BIG, (300, 0)), Compact(), mb(0, 0, BIG, (300, 0), (70, 0))),
        (mb(50, 20, BIG, (300, 0), (70, 0)), Compact(("set-2",)), mb(0, 0, BIG, (300, 0), (140, 0))),
        (
            mb(50, 20, BIG, (300, 0), (140, 0)),
            Compact(("set-2", "set-1", "set-0")),
            mb(0, 0, (1510, 0)),
        ),
        (mb(30, 5, BIG, (240, 61)), Compact(("set-1",)), mb(0, 0, BIG, (275, 0))),
        (mb(10, 5, BIG, (48, 13)), Compact(("set-1",)), mb(63, 0, BIG)),
    ],
)
def test_the_drawn_example(before: Pieces, expected: Due, after: Pieces | None) -> None:
    assert before.due() == expected
    if after is not None:
        before.do(expected)
        assert before == after
        assert before.due() == Nothing()


def test_a_little_that_is_dead_is_left_until_somebody_asks() -> None:
    small = Pieces(deltas=[100, 30])
    assert small.due() == Nothing()
    assert small.due(thorough=True) == Build(afresh=True)
    large = Pieces(resident=[10 * MB, 3 * MB])
    assert large.due() == Build()
    cells = mb(0, 0, (1000, 1))
    assert cells.due() == Nothing()
    assert cells.due(thorough=True) == Compact(("set-0",))


def test_dead_flat_rows_count_half_because_a_build_reads_them_too() -> None:
    assert Pieces(resident=[127 * MB, 126 * MB]).due() == Build()
    assert Pieces(resident=[129 * MB, 128 * MB]).due() == Compact()


def test_what_is_full_is_compacted_without_what_does_not_fit() -> None:
    full = MAX_IMPORT_ROWS
    pieces = Pieces(sets=[[full, 0], [full, full // 2], [full // 4, 0], [20, 0]])
    assert pieces.due() == Compact(("set-1", "set-2", "set-3"))
    pieces.do(pieces.due())
    assert sorted(rows for rows, _ in pieces.sets) == [full * 3 // 4 + 20, full]
    assert pieces.due() == Nothing()
    assert pieces.due(thorough=True) == Nothing()


def test_metadata_and_documents_count_too() -> None:
    shard = ShardRef(
        shard_id="delta",
        rows=1000,
        min_sequence=1,
        max_sequence=1,
        files={
            "vectors.f32": FileRef(size=4000, sha256=""),
            "records.sqlite": FileRef(size=250_000_000, sha256=""),
        },
    )
    manifest = Manifest(
        dataset_id="d", version=1, dimension=1, metric=Metric.L2, row_count=1000, deltas=(shard,)
    )
    assert due(manifest, {}) == Compact()
    assert could_be_due(manifest)


writes = st.tuples(st.just("write"), st.integers(1, 80 * MB))
kills = st.tuples(st.just("kill"), st.integers(0, 60))
brought = st.tuples(st.just("import"), st.integers(65 * MB, 3000 * MB))


@settings(max_examples=150, deadline=None)
@given(
    acts=st.lists(st.one_of(writes, writes, kills, brought), min_size=1, max_size=60), thorough=st.booleans()
)
def test_whatever_is_written_pieces_stay_few_and_rows_are_rewritten_seldom(
    acts: list[tuple[str, int]], thorough: bool
) -> None:
    pieces = Pieces()
    written = rewritten = 0
    for act, amount in acts:
        if act == "write":
            rows, dead = pieces.deltas or [0, 0]
            pieces.deltas = [rows + amount, dead]
            written += amount
        elif act == "import":
            pieces.sets.append([amount, 0])
            written += amount
        else:
            for piece in (pieces.resident, pieces.deltas, *pieces.sets):
                if piece is not None:
                    piece[1] += (piece[0] - piece[1]) * amount // 100
        for step in range(10):
            what = pieces.due(thorough=thorough and step == 0)
            if what == Nothing():
                break
            rewritten += pieces.do(what)
        assert pieces.due() == Nothing(), "what is due is done after a few steps"

        flat = [piece for piece in (pieces.resident, pieces.deltas) if piece]
        live = sum(rows - dead for rows, dead in flat)
        assert live * ROW_BYTES <= ONE_SHARD_BYTES
        assert sum(rows for rows, _ in flat) * ROW_BYTES <= 2 * ONE_SHARD_BYTES
        if pieces.deltas:
            resident = pieces.resident[0] if pieces.resident else 0
            assert pieces.deltas[0] * ROW_BYTES <= max(EXACT_LIMIT_BYTES, BUILD_SHARE * resident * ROW_BYTES)
        sizes = sorted((rows - dead for rows, dead in pieces.sets), reverse=True)
        for larger, smaller in pairwise(sizes):
            assert larger > TIER_RATIO * smaller or larger + smaller > MAX_IMPORT_ROWS
        assert all(dead <= REBUILD_DEAD_SHARE * rows for rows, dead in pieces.sets)
    if not thorough and not any(act == "kill" for act, _ in acts):
        # a row that is written anew lies in a piece half as large again at least, but for its way through builds
        levels = math.log(max(written / MB, 2), 1 + 1 / TIER_RATIO) + 6
        assert rewritten <= levels * written
