"""Ranges of a file own each of its lines once, in bounded memory."""

import time
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoal.model.limits import MAX_LINE_BYTES
from shoal.services.imports.lines import count_lines, is_long, line_blocks, owned_bytes
from shoal.services.imports.source import Source
from shoal.storage.memory import MemoryObjects

files = st.lists(st.sampled_from([b"\n", b"\n", b"a", b"bc\r", b"defgh"]), min_size=1, max_size=30).map(
    b"".join
)


def source_of(data: bytes) -> Source:
    objects = MemoryObjects(time.time)
    head = objects.put("t/file", data)
    objects.put("t/file", b"another upload")
    return Source(objects, "t/file", head.version_id, len(data))


@settings(max_examples=200, deadline=None)
@given(data=files, borders=st.sets(st.integers(1, 60)), read=st.integers(1, 9), block=st.integers(1, 9))
@example(data=b"abc", borders={1, 2}, read=1, block=1)
@example(data=b"\n\n", borders={1}, read=1, block=1)
def test_every_line_belongs_to_one_range(data: bytes, borders: set[int], read: int, block: int) -> None:
    source = source_of(data)
    cuts = [0, *sorted(border for border in borders if border < len(data)), len(data)]
    owned = []
    for start, stop in pairwise(cuts):
        mine = list(owned_bytes(source, start, stop, size=read))
        assert all(mine)
        blocks = list(line_blocks(mine, size=block))
        assert b"".join(blocks) == b"".join(mine)
        assert all(each.endswith(b"\n") for each in blocks[:-1])
        assert count_lines(mine) == len(lines_of(mine))
        owned.append(b"".join(mine))
    assert b"".join(owned) == data
    written = [each for each in owned if each]
    assert all(each.endswith(b"\n") for each in written[:-1])


def lines_of(pieces: list[bytes]) -> list[bytes]:
    found = b"".join(pieces).split(b"\n")
    return found if found[-1] else found[:-1]


@given(over=st.integers(-2, 2), ends=st.booleans(), cut=st.integers(1, 1 << 19))
@settings(max_examples=20, deadline=None)
def test_of_a_long_line_one_byte_too_many_is_kept(over: int, ends: bool, cut: int) -> None:
    line = b"x" * (MAX_LINE_BYTES + over)
    data = b"before\n" + line + (b"\nafter" if ends else b"")
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    found = b"".join(line_blocks(pieces)).split(b"\n")
    assert found[0] == b"before"
    assert found[1] == line[: MAX_LINE_BYTES + 1]
    assert [is_long(block) for block in line_blocks(pieces) if len(block) > 100] == [over > 0]
    assert found[2:] == ([b"after"] if ends else [])


def test_a_file_without_line_feeds_is_never_held_whole() -> None:
    pieces = (b"x" * 100_000 for _ in range(1000))
    blocks = list(line_blocks(pieces))
    assert [len(block) for block in blocks] == [MAX_LINE_BYTES + 1]
    assert is_long(blocks[0])


def test_a_range_within_a_long_line_owns_nothing_and_reads_no_further() -> None:
    source = source_of(b"x" * 5_000_000 + b"\nend\n")
    assert list(owned_bytes(source, 1000, 2000)) == []
    assert sum(map(len, owned_bytes(source, 0, 1000))) < 3 * MAX_LINE_BYTES
    assert b"".join(owned_bytes(source, 4_000_000, 5_000_005)) == b"end\n"
