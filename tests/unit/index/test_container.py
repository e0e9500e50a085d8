"""The container: everything packed comes back, and nothing else is ever taken for a container."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.checksums import digest128, sha256_hex, verify
from shoal.index.container import (
    ALIGNMENT,
    MAGIC,
    count_of,
    header_end,
    pack,
    parse_header,
    section_of,
    unpack,
)

NAMES = st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
ATTRIBUTES = st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=3), max_size=4)
SECTIONS = st.dictionaries(NAMES, st.binary(max_size=200), max_size=4)


def wrapped(header: bytes, rest: bytes = b"") -> bytes:
    """An object whose header is taken as given, with a right checksum."""
    return MAGIC + len(header).to_bytes(4, "little") + bytes(4) + digest128(header) + header + rest


@given(ATTRIBUTES, SECTIONS)
def test_what_is_packed_comes_back(attributes: dict[str, Any], sections: dict[str, bytes]) -> None:
    data = pack("thing", 3, attributes, sections)
    opened = unpack("thing", data, versions=(2, 3))
    assert opened.version == 3
    assert opened.attributes == attributes
    assert {name: bytes(view) for name, view in opened.sections.items()} == sections
    assert list(opened.sections) == list(sections)
    assert all(view.readonly for view in opened.sections.values())


@given(SECTIONS)
def test_sections_are_aligned_and_the_front_tells_where(sections: dict[str, bytes]) -> None:
    data = pack("thing", 1, {}, sections)
    header = parse_header("thing", data[: header_end(data)], versions=(1,))
    for name, (start, stop) in header.places.items():
        assert start % ALIGNMENT == 0
        assert data[start:stop] == sections[name]
    assert header.size == len(data)


def test_equal_input_gives_equal_bytes() -> None:
    assert pack("a", 1, {"x": 1}, {"s": b"1"}) == pack("a", 1, {"x": 1}, {"s": b"1"})


@given(st.binary(max_size=300))
def test_garbage_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        unpack("thing", data, versions=(1,))


@given(SECTIONS, st.data())
def test_a_changed_byte_is_seen_or_lies_in_a_section_or_between_two(
    sections: dict[str, bytes], data: st.DataObject
) -> None:
    """The header guards itself; sections are guarded by the checksum that names the object."""
    packed = bytearray(pack("thing", 1, {"n": 1}, sections))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    if place < header_end(pack("thing", 1, {"n": 1}, sections)):
        with pytest.raises(CorruptObject):
            unpack("thing", packed, versions=(1,))
    else:
        assert unpack("thing", packed, versions=(1,)).attributes == {"n": 1}


@given(SECTIONS, st.integers(1, 400))
def test_cut_short_or_too_long_is_corrupt(sections: dict[str, bytes], size: int) -> None:
    packed = pack("thing", 1, {}, sections)
    for changed in (packed[:-size], packed + bytes(size)):
        with pytest.raises(CorruptObject):
            unpack("thing", changed, versions=(1,))


JSON = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "kind": JSON | st.just("thing"),
            "version": JSON | st.just(1),
            "attributes": JSON,
            "sections": JSON,
        },
    ),
    st.binary(max_size=64),
)
def test_a_header_of_another_shape_is_corrupt_and_nothing_worse(header: Any, rest: bytes) -> None:
    try:
        opened = unpack("thing", wrapped(orjson.dumps(header), rest), versions=(1,))
    except CorruptObject:
        return
    assert header["kind"] == "thing"
    assert type(header["version"]) is int
    assert len(opened.sections) == len(header["sections"])


@pytest.mark.parametrize(
    "sections",
    [
        [["a", 1], ["a", 1]],
        [["a", -1]],
        [["a", True]],
        [["a", 2**63]],
        [["a"]],
        [["a", 1, 2]],
        [[1, 1]],
        ["a"],
        {"a": 1},
    ],
)
def test_a_malformed_section_table_is_corrupt(sections: object) -> None:
    header = orjson.dumps({"kind": "thing", "version": 1, "attributes": {}, "sections": sections})
    with pytest.raises(CorruptObject):
        unpack("thing", wrapped(header, bytes(200)), versions=(1,))


@pytest.mark.parametrize("header", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_a_header_that_is_no_object_is_corrupt(header: Any) -> None:
    with pytest.raises(CorruptObject):
        unpack("thing", wrapped(header), versions=(1,))


def test_another_kind_or_version_is_corrupt() -> None:
    data = pack("thing", 1, {}, {})
    with pytest.raises(CorruptObject, match="kind 'thing'"):
        unpack("other", data, versions=(1,))
    with pytest.raises(CorruptObject, match="version 1"):
        unpack("thing", data, versions=(2,))


def test_a_huge_header_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(CorruptObject):
        header_end(MAGIC + b"\xff\xff\xff\xff" + bytes(20))


@pytest.mark.parametrize("value", [None, -1, True, 1.0, "1", 11])
def test_counts_are_integers_in_range(value: object) -> None:
    with pytest.raises(CorruptObject):
        count_of({"n": value}, "n", most=10)


def test_sections_are_there_and_of_their_size() -> None:
    opened = unpack("thing", pack("thing", 1, {}, {"a": b"12"}), versions=(1,))
    assert bytes(section_of(opened, "a", size=2)) == b"12"
    for name, size in (("b", None), ("a", 3)):
        with pytest.raises(CorruptObject):
            section_of(opened, name, size=size)


def test_verify_names_the_object() -> None:
    verify(b"abc", sha256=sha256_hex(b"abc"), size=3, name="k")
    with pytest.raises(CorruptObject, match="some/key"):
        verify(b"abd", sha256=sha256_hex(b"abc"), size=3, name="some/key")
    with pytest.raises(CorruptObject, match="4 bytes where 3"):
        verify(b"abcd", sha256=sha256_hex(b"abc"), size=3, name="some/key")
