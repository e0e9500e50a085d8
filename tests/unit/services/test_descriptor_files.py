"""Descriptors as objects: what is put comes back, damage is found, and the first format stays readable."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.services.descriptor_files import (
    DatasetDescriptor,
    OpenImport,
    TenantDescriptor,
    decode_dataset,
    decode_tenant,
    encode_dataset,
    encode_tenant,
)

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: not (isinstance(value, dict) and "$bytes" in value))
ITEMS = st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=4).map(
    lambda item: {"pk": "p", "sk": "s", **item}
)
FIRST_FORMAT = (
    b'{"format":1,"kind":"dataset","sha256":"19af9f179101f2f04a0706daa3b979adda468e681dd6c384100cbda1e9d3649e"}\n'
    b'{"written_at":1800000000.5,"meta":{"pk":"D#t#d","sk":"META","name":"books",'
    b'"hash_key":{"$bytes":"AAECAwQFBgcICQoLDA0ODw=="},"target_recall":0.95},'
    b'"head":{"pk":"D#t#d","sk":"HEAD","state":"live","version":3,"recall":{"ef":64}},'
    b'"snapshots":[{"pk":"D#t#d","sk":"SNAPSHOT#x","manifest":"m"}],"open_imports":[[7,"imp_1"]],'
    b'"log_since":1799999940.25,"log_applied":["01a2","01a3"]}\n'
)
"""As it was released: never changed."""
FIRST_TENANT = (
    b'{"format":1,"kind":"tenant","sha256":"b692dbdba41874591df7bf8087f8928e3b7dbc4828560f2babb9a00b50f467e0"}\n'
    b'{"written_at":1800000000.5,"tenant":{"pk":"T#t","sk":"META","name":"ours"},'
    b'"keys":[{"pk":"KEY#k","sk":"META","salt":{"$bytes":"c2FsdA=="}}]}\n'
)
"""As it was released: never changed. Aliases came later."""


@given(
    meta=ITEMS,
    head=ITEMS,
    snapshots=st.lists(ITEMS, max_size=2),
    imports=st.lists(st.builds(OpenImport, st.integers(0, 2**53), st.none() | st.text(max_size=4))),
    since=st.floats(0, 2e9),
    applied=st.lists(st.text("0123456789abcdef", min_size=1)),
)
def test_what_is_put_comes_back(
    meta: dict[str, Any],
    head: dict[str, Any],
    snapshots: list[dict[str, Any]],
    imports: list[OpenImport],
    since: float,
    applied: list[str],
) -> None:
    descriptor = DatasetDescriptor(1.5, meta, head, tuple(snapshots), tuple(imports), since, tuple(applied))
    assert decode_dataset(encode_dataset(descriptor)) == descriptor
    tenant = TenantDescriptor(2.5, meta, (head, *snapshots), tuple(snapshots), (head,), (meta, *snapshots))
    assert decode_tenant(encode_tenant(tenant)) == tenant


def test_any_flipped_bit_is_found() -> None:
    data = encode_tenant(TenantDescriptor(1.0, {"pk": "p", "sk": "s", "salt": b"salt"}))
    for place in range(len(data) - 1):
        for bit in (0, 5):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            try:
                same = decode_tenant(bytes(damaged)) == decode_tenant(data)
            except CorruptObject:
                continue
            assert same, f"byte {place}"  # a blank for another one, outside of what is verified


@pytest.mark.parametrize("data", [b"", b"{}", b"{}\n{}", b"[]\n[]", b"\xff\n", b"null\nnull\n"])
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        decode_dataset(data)


def test_one_kind_is_not_taken_for_another() -> None:
    with pytest.raises(CorruptObject):
        decode_dataset(encode_tenant(TenantDescriptor(1.0, {"pk": "p", "sk": "s"})))


def test_the_first_format_stays_readable() -> None:
    assert decode_dataset(FIRST_FORMAT) == DatasetDescriptor(
        written_at=1_800_000_000.5,
        meta={
            "pk": "D#t#d",
            "sk": "META",
            "name": "books",
            "hash_key": bytes(range(16)),
            "target_recall": 0.95,
        },
        head={"pk": "D#t#d", "sk": "HEAD", "state": "live", "version": 3, "recall": {"ef": 64}},
        snapshots=({"pk": "D#t#d", "sk": "SNAPSHOT#x", "manifest": "m"},),
        open_imports=(OpenImport(7, "imp_1"),),
        log_since=1_799_999_940.25,
        log_applied=("01a2", "01a3"),
    )
    assert decode_tenant(FIRST_TENANT) == TenantDescriptor(
        written_at=1_800_000_000.5,
        tenant={"pk": "T#t", "sk": "META", "name": "ours"},
        keys=({"pk": "KEY#k", "sk": "META", "salt": b"salt"},),
    )
