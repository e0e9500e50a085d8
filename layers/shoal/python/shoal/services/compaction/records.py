"""What the steps of a compaction tell each other, beside what all runs do."""

from typing import Literal

from pydantic import Field

from shoal.model.manifests import PartRef
from shoal.model.work import WorkRecord

type Layout = Literal["nothing", "shard", "cells"]


class Source(WorkRecord):
    """Rows of one shard: all of them, or of a shard of cells those of its cells from `cell` to before `stop`.

    Cells are counted as in their cell set, whose place in the manifest is `cell_set`.
    """

    shard_id: str
    cell_set: int | None = None
    cell: int = 0
    stop: int = 0


class ExtractItem(WorkRecord):
    """What one call reads; `sample_rows` of its rows go into the sample."""

    number: int = Field(ge=0)
    sources: tuple[Source, ...] = Field(strict=False)
    sample_rows: int


class Planned(WorkRecord):
    """How the inputs are dealt out, how many of their rows are alive, and what these are going to be."""

    layout: Layout
    rows: int
    pieces: int
    items_key: str


class Extracted(WorkRecord):
    """A piece: the live rows of an `ExtractItem`, as in `pipeline.run.Piece`; no parts where there are none."""

    number: int
    rows: int
    columns: PartRef | None = None
    hashes: PartRef | None = None
    sample: PartRef | None = None
