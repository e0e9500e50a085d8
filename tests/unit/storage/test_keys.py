"""Keys: in the right tenant and dataset, different for different things, ordered like what they number."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.storage.keys import (
    SEQUENCE_DIGITS,
    DatasetKeys,
    TenantKeys,
    api_key_by_id,
    rate_by_key_id,
    sequence_sk,
)
from shoal.storage.object_checks import check_object_key
from shoal.storage.ports import Key
from shoal.storage.values import check_key_value

tenants = st.from_regex(r"ten_[0-9a-f]{32}", fullmatch=True)
datasets = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
tokens = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", fullmatch=True)
sequences = st.integers(0, 16**SEQUENCE_DIGITS - 1)
TENANT, DATASET = "ten_" + "a" * 32, "b" * 16

NOT_TOKENS = ["", ".", "..", "-x", "a/b", "..\n", "a b", "é", "a#b", "x" * 81, "a\x00"]


def table_keys(keys: DatasetKeys, sequence: int) -> list[Key]:
    return [keys.meta, keys.head, keys.sequence, keys.settled, keys.job(sequence)]


def object_keys(keys: DatasetKeys, sequence: int, token: str) -> list[str]:
    return [keys.log_object(token), keys.manifest(sequence, token), keys.part("ids", token)]


@given(tenants, datasets, sequences, tokens)
def test_every_key_of_a_dataset_names_its_tenant_and_dataset(
    tenant: str, dataset: str, sequence: int, token: str
) -> None:
    keys = DatasetKeys(tenant, dataset)
    found = table_keys(keys, sequence)
    assert len(set(found)) == len(found)
    assert {key.pk for key in found} == {f"D#{tenant}#{dataset}"}
    for key in found:
        check_key_value("pk", key.pk)
        check_key_value("sk", key.sk)
    paths = object_keys(keys, sequence, token)
    assert len(set(paths)) == len(paths)
    for path in paths:
        check_object_key(path)
        assert path.startswith(f"t/{tenant}/")
        assert path.split("/")[3] == dataset


@given(st.lists(st.tuples(tenants, datasets), min_size=2, max_size=2, unique=True), sequences, tokens)
def test_two_datasets_share_no_key(ids: list[tuple[str, str]], sequence: int, token: str) -> None:
    one, other = (DatasetKeys(*pair) for pair in ids)
    assert not set(table_keys(one, sequence)) & set(table_keys(other, sequence))
    assert not set(object_keys(one, sequence, token)) & set(object_keys(other, sequence, token))


@given(sequences, sequences)
def test_jobs_sort_like_their_sequences(one: int, other: int) -> None:
    assert (sequence_sk(one) < sequence_sk(other)) == (one < other)
    assert (sequence_sk(one) == sequence_sk(other)) == (one == other)


@pytest.mark.parametrize("sequence", [-1, 16**SEQUENCE_DIGITS])
def test_a_sequence_out_of_range(sequence: int) -> None:
    with pytest.raises(ValueError):
        sequence_sk(sequence)


@given(st.lists(st.tuples(sequences, tokens), min_size=2, max_size=2, unique=True))
def test_two_manifests_share_no_key(pairs: list[tuple[int, str]]) -> None:
    keys = DatasetKeys(TENANT, DATASET)
    one, other = (keys.manifest(*pair) for pair in pairs)
    assert one != other


scopes = st.from_regex(r"[A-Za-z0-9_/-]{1,128}", fullmatch=True)
names = st.text(st.characters(codec="utf-8"), min_size=1)


@given(st.lists(st.tuples(scopes, names), min_size=2, max_size=2, unique=True))
def test_two_names_share_no_key(pairs: list[tuple[str, str]]) -> None:
    keys = TenantKeys(TENANT)
    one, other = (keys.name(*pair) for pair in pairs)
    assert one != other


@given(tenants, tokens, tokens, st.dates())
def test_keys_of_a_tenant(tenant: str, token: str, file: str, day: date) -> None:
    keys = TenantKeys(tenant)
    found = [keys.meta, keys.quota, keys.queries(day), keys.api_key(token), keys.name("native", token)]
    assert len(set(found)) == len(found)
    assert {key.pk for key in found} == {f"T#{tenant}"}
    assert keys.shard_file(token, file) == f"t/{tenant}/shards/{token}/{file}"
    assert keys.shard_file(token, file).startswith(keys.shard_prefix(token))


@given(tokens)
def test_keys_of_an_api_key_are_of_no_tenant(token: str) -> None:
    assert api_key_by_id(token).pk == rate_by_key_id(token).pk == f"KEY#{token}"
    assert api_key_by_id(token) != rate_by_key_id(token)


@pytest.mark.parametrize(
    "tenant",
    ["", "ten_", "ten_" + "A" * 32, "ten_" + "a" * 31, TENANT + "\n", TENANT + "/..", "../" + TENANT],
)
def test_what_is_no_tenant_gets_no_key(tenant: str) -> None:
    with pytest.raises(ValueError):
        TenantKeys(tenant)
    with pytest.raises(ValueError):
        DatasetKeys(tenant, DATASET)


@pytest.mark.parametrize("dataset", ["", "B" * 16, "b" * 15, "b" * 17, DATASET + "\n", "b" * 15 + "/"])
def test_what_is_no_dataset_gets_no_key(dataset: str) -> None:
    with pytest.raises(ValueError):
        DatasetKeys(TENANT, dataset)


@pytest.mark.parametrize("token", NOT_TOKENS, ids=repr)
def test_what_is_no_token_gets_into_no_key(token: str) -> None:
    tenant, dataset = TenantKeys(TENANT), DatasetKeys(TENANT, DATASET)
    for build in (
        tenant.api_key,
        tenant.shard_prefix,
        lambda text: tenant.shard_file("shard", text),
        dataset.log_object,
        lambda text: dataset.manifest(1, text),
        lambda text: dataset.part("ids", text),
        lambda text: dataset.part(text, "name"),
        api_key_by_id,
        rate_by_key_id,
    ):
        with pytest.raises(ValueError):
            build(token)
