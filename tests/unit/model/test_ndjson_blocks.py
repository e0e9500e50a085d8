"""The quick parser of blocks against the judge of lines, on everything that could fool it."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoal.model.ndjson import blocks_of
from shoal.model.ndjson_blocks import BlockParser
from shoal.model.ndjson_lines import INVALID_JSON, judge_lines
from shoal.model.parsed_lines import ParsedLines

DEEP = b'{"a":' * 300 + b"1" + b"}" * 300

numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        [
            "0",
            "-0",
            "-0.0",
            "-0e0",
            "0e9",
            "1",
            "1.0",
            "1E2",
            "1e-46",
            "-1e-400",
            "3.4028236e38",
            "1e39",
            "1e300",
            "1e400",
            "18446744073709551616",
        ]
    ),
    st.sampled_from(
        [
            "true",
            "null",
            '"0.5"',
            "NaN",
            "-Infinity",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "[]",
            "[1]",
            "[1,2]",
            "{}",
            '{"a":1}',
            "1,1e300",
        ]
    ),
    st.sampled_from(
        ["1 ", "\t-0\t", " -0 ", "2\r", "", "1,2", '"a', 'b"', "]", "[", '1],"values":[2', "\x00", "1e"]
    ),
)
good_numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr), st.sampled_from(["0", "-0", "1"])
)
openings = st.sampled_from(
    [
        '"values":[',
        '"values":[',
        '"values":[',
        '"values": [',
        '"values" : [',
        '"v\\u0061lues":[',
        '"\\"values":[',
    ]
)


@st.composite
def _values(draw: st.DrawFn, each: st.SearchStrategy[str], least: int, most: int) -> str:
    listed = ",".join(draw(st.lists(each, min_size=least, max_size=most)))
    return draw(openings) + listed + "]"


texts = st.text(max_size=4).map(lambda text: json.dumps(text)) | st.sampled_from(
    [
        '"\\ud800"',
        '"a[1,2]"',
        '"]"',
        '"\\"values\\":[1,2]"',
        '""',
        json.dumps("é" * 257),
        "7",
        "null",
        '"-0,"',
    ]
)
metadata: st.SearchStrategy[str] = st.one_of(
    st.dictionaries(
        st.text(max_size=3), st.integers(-9, 9) | st.lists(st.integers(0, 9), max_size=2), max_size=2
    ).map(json.dumps),
    st.sampled_from(
        [
            "null",
            "[]",
            "1",
            '{"a":1.50,"a":-0,"b":1e2}',
            '{"values":[1,2]}',
            '{"values":[]}',
            '{"tags":["a","b"]}',
            '{"n":123456789012345678901234567890}',
            DEEP.decode(),
            '{"x":"' + "y" * 41_000 + '"}',
        ]
    ),
)
namespaces = texts | st.sampled_from(
    ['"n"', '"a\\tb"', '"\\u0085"', json.dumps("n" * 64), json.dumps("n" * 65), "{}"]
)
documents = texts | st.sampled_from(
    ['"a text"', '"\\u0000"', json.dumps("d" * 262_145), '["values"]', '{"values":[1,2]}']
)
fields = st.one_of(
    namespaces.map(lambda text: f'"namespace":{text}'),
    documents.map(lambda text: f'"document":{text}'),
    texts.map(lambda text: f'"id":{text}'),
    _values(numbers, 0, 4),
    _values(good_numbers, 2, 2),
    metadata.map(lambda text: f'"metadata":{text}'),
    texts.map(lambda text: f'"other":{text}'),
    st.sampled_from(['"values":[]', '"values" : [3,4]', '"values":null', '"values":"', '"values":[[1],[2]]']),
)
any_record = st.lists(fields, max_size=5).map(lambda found: "{" + ",".join(found) + "}")


@st.composite
def _good_record(draw: st.DrawFn) -> str:
    found = [f'"id":{json.dumps(draw(st.text(min_size=1, max_size=3)))}', draw(_values(good_numbers, 2, 2))]
    if draw(st.booleans()):
        found.append(f'"metadata":{draw(metadata)}')
    if draw(st.booleans()):
        found.append(f'"namespace":{draw(namespaces)}')
    if draw(st.booleans()):
        found.append(f'"document":{draw(documents)}')
    return "{" + ",".join(draw(st.permutations(found))) + "}"


endings = st.sampled_from([b"", b"", b"\r", b" ", b"\t\r", b"x", b",", b"\xff"])
lines = st.one_of(
    st.builds(lambda text, ending: text.encode("utf-8", "replace") + ending, _good_record(), endings),
    st.builds(lambda text, ending: text.encode("utf-8", "replace") + ending, any_record, endings),
    st.sampled_from(
        [
            b"",
            b" \r",
            b"{",
            b"[1]",
            b'{"id":"\xff","values":[1,2]}',
            b'{"id":"a","values":[1,\xff2]}',
            b'{"id":"a","values":[1,2',
            b'"values":[1,2]',
            b'\xef\xbb\xbf{"id":"a","values":[1,2]}',
        ]
    ),
    st.binary(max_size=12),
)


def judged(block: bytes, *, first_line: int, refuse_zero: bool) -> ParsedLines:
    numbered = [
        (number, line)
        for number, line in enumerate(block.split(b"\n"), start=first_line)
        if line and not line.isspace()
    ]
    return judge_lines(numbered, dimension=2, refuse_zero=refuse_zero)


def same(got: ParsedLines, wanted: ParsedLines) -> None:
    assert got.errors == wanted.errors
    assert (got.lines, got.ids, got.metadata) == (wanted.lines, wanted.ids, wanted.metadata)
    assert got.texts == wanted.texts
    assert got.vectors.dtype == np.float32
    assert got.vectors.shape == wanted.vectors.shape
    assert got.vectors.tobytes() == wanted.vectors.tobytes()
    assert got.vectors.flags.c_contiguous


@settings(max_examples=500, deadline=None)
@given(body=st.lists(lines, max_size=6), refuse_zero=st.booleans(), first_line=st.integers(1, 9))
@example(
    body=[b'{"id":"a","values" : 0}', b'{"id":"b","metadata":{"values":[1,2]},"values":[3,4]}'],
    refuse_zero=False,
    first_line=1,
)
@example(
    body=[b'{"id":"a","values":[1', b"]}", b'{"id":"b","values":[3,4]}'], refuse_zero=False, first_line=1
)
@example(
    body=[b'{"id":"a","values":[1]}', b'{"id":"b","values":[3,1e300,4]}'], refuse_zero=False, first_line=1
)
@example(body=[b'{"id":"a","values":[1,2,3]}', b'{"id":"b","values":[4]}'], refuse_zero=False, first_line=1)
@example(body=[b'{"id":"a","values":[1,"2]}', b'{"id":"b","values":[",4]}'], refuse_zero=False, first_line=1)
@example(body=[b'{"id":"a","values":[1,[2]}', b'{"id":"b","values":[3,4]]}'], refuse_zero=False, first_line=1)
@example(body=[b'{"id":"a","values":[[1,2],[]]}'], refuse_zero=False, first_line=1)
def test_as_the_judge_says(body: list[bytes], refuse_zero: bool, first_line: int) -> None:
    block = b"\n".join(body)
    parser = BlockParser(dimension=2, refuse_zero=refuse_zero)
    wanted = judged(block, first_line=first_line, refuse_zero=refuse_zero)
    same(parser.parse(block, first_line=first_line), wanted)
    # What an earlier block was like must not matter.
    same(parser.parse(block, first_line=first_line), wanted)


@settings(max_examples=100, deadline=None)
@given(
    body=st.lists(_good_record().map(str.encode), min_size=1, max_size=30),
    bad=lines,
    place=st.integers(0, 30),
)
def test_one_bad_line_among_good_ones(body: list[bytes], bad: bytes, place: int) -> None:
    block = b"\n".join([*body[:place], bad, *body[place:]])
    got = BlockParser(dimension=2, refuse_zero=False).parse(block)
    same(got, judged(block, first_line=1, refuse_zero=False))


@given(data=st.lists(st.sampled_from([b"\n", b"a", b"bcd"])).map(b"".join), size=st.integers(1, 9))
def test_blocks_are_whole_lines(data: bytes, size: int) -> None:
    blocks = list(blocks_of(data, size=size))
    assert b"".join(blocks) == data
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    assert all(len(block) <= size or block.find(b"\n") in (-1, len(block) - 1) for block in blocks)


@pytest.mark.parametrize("opening", [b'"values":[', b'"values": [', b'"values" : ['])
def test_the_spelling_of_the_file_is_learnt(opening: bytes) -> None:
    block = b'{"id":"a",' + opening + b'1,2]}\n{"id":"b",' + opening + b"3,4]}\n"
    parser = BlockParser(dimension=2, refuse_zero=False)
    for _ in range(2):
        assert parser.parse(block).vectors.tolist() == [[1, 2], [3, 4]]
    assert parser._sort_all(block, 1) is not None


def test_invalid_utf8_spoils_its_own_line_only() -> None:
    block = b'{"id":"a","values":[1,2]}\n{"id":"\xc3(","values":[1,2]}\n{"id":"b","values":[3,4]}\n'
    got = BlockParser(dimension=2, refuse_zero=False).parse(block)
    assert got.ids == ["a", "b"]
    assert [(error.line, error.reason) for error in got.errors] == [(2, INVALID_JSON)]


def test_every_float32_of_a_sample_survives_its_shortest_digits() -> None:
    random = np.random.default_rng(3)
    wanted: Any = random.integers(0, 2**32, size=(64, 64), dtype=np.uint32).view(np.float32)
    wanted = np.where(np.isfinite(wanted), wanted, np.float32(-0.5)).astype(np.float32)
    rows = [
        {"id": f"{row}", "values": [float(str(value)) for value in values]}
        for row, values in enumerate(wanted)
    ]
    got = BlockParser(dimension=64, refuse_zero=False).parse("\n".join(map(json.dumps, rows)).encode())
    assert (got.vectors.view(np.uint32) == wanted.view(np.uint32)).all()
