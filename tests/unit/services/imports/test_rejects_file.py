"""Line numbers of the whole file, from those within chunks."""

import pytest

from shoal.model.import_work import ChunkRecord
from shoal.services.imports.rejects_file import first_lines, renumbered


def chunk(number: int, *, lines: int, processed: int) -> ChunkRecord:
    return ChunkRecord(number=number, lines=lines, processed=processed, accepted=processed, rejected=0)


def test_blank_lines_count_as_lines() -> None:
    records = [chunk(0, lines=5, processed=3), chunk(1, lines=0, processed=0), chunk(2, lines=7, processed=7)]
    assert first_lines(records) == [0, 5, 5]


@pytest.mark.parametrize("before", [0, 1, 99])
def test_only_the_line_of_each_record_is_renumbered(before: int) -> None:
    tricky = rb'{"line":9,"reason":"{\"line\":3","record":"\n{\"line\":4}"}'
    part = b'{"line":1,"reason":"a","record":"x"}\n' + tricky + b"\n"
    wanted = part.replace(b'{"line":1,', b'{"line":%d,' % (1 + before))
    assert renumbered(part, before) == wanted.replace(b'{"line":9,', b'{"line":%d,' % (9 + before))
