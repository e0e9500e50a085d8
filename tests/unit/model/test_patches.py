"""Patches of metadata: the examples of RFC 7396, and its pseudo-code as the oracle."""

from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.patches import UNKNOWN_FIELDS, MetadataTooLarge, merge_patch, parse_patches, patched
from tests.unit.services.write_oracle import merged

keys = st.sampled_from(["a", "b", "$gt", ""])
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)
objects = st.dictionaries(keys, values, max_size=4)


@given(objects, objects)
def test_a_patch_does_what_the_rfc_says(metadata: dict[str, Any], patch: dict[str, Any]) -> None:
    before, sent = deepcopy(metadata), deepcopy(patch)
    assert merge_patch(metadata, patch) == merged(deepcopy(metadata), patch)
    assert (metadata, patch) == (before, sent), "neither input changes"


@pytest.mark.parametrize(
    ("metadata", "patch", "result"),
    [  # appendix A of RFC 7396, as far as both sides are objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_the_rfc(metadata: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert merge_patch(metadata, patch) == result


def test_a_result_may_be_as_large_as_metadata_may_be() -> None:
    room = MAX_METADATA_BYTES - len(b'{"a":"","b":"x"}')
    metadata = b'{"b":"x"}'
    assert len(patched(metadata, orjson.dumps({"a": "y" * room}))) == MAX_METADATA_BYTES
    with pytest.raises(MetadataTooLarge) as refused:
        patched(metadata, orjson.dumps({"a": "y" * (room + 1)}))
    assert refused.value.size == MAX_METADATA_BYTES + 1
    assert patched(metadata, b'{"a":"y","b":null}') == b'{"a":"y"}'


def test_lines_may_end_as_windows_ends_them_and_begin_with_a_mark() -> None:
    found = parse_patches(b'\xef\xbb\xbf{"id":"a","metadata":{"n": 1}}\r\n \r\n{"id":"b","metadata":{}}')
    assert (found.ids, found.patches, found.errors) == (("a", "b"), (b'{"n":1}', b"{}"), ())


def test_a_line_with_more_than_a_patch_is_refused() -> None:
    found = parse_patches(b'{"id":"a","metadata":{},"values":[1]}\n{"id":"b","metadata":{}}')
    assert found.ids == ("b",)
    assert [(error.line, error.reason) for error in found.errors] == [(1, UNKNOWN_FIELDS)]
