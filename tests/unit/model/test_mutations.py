"""Mutations: what is one, and why something is not."""

from typing import Any

import pytest

from shoal.errors import Conflict, InvalidInput, NotFound
from shoal.model.mutations import (
    MAX_MUTATIONS,
    Delete,
    Patch,
    Put,
    Stamp,
    apply_mutations,
    is_blind,
    parse_mutations,
)

STAMP = Stamp("t1", "2026-01-01T00:00:00.000Z")
DOC = {"_id": "a", "_type": "movie"}


@pytest.mark.parametrize(
    ("mutations", "reason"),
    [
        (None, "mutations: must be an array of at least one mutation"),
        ([], "mutations: must be an array"),
        ({"create": DOC}, "mutations: must be an array"),
        ([7], r"mutations\[0\]: must be an object with one member of create, createOrReplace"),
        ([{}], r"mutations\[0\]: must be an object with one member"),
        ([{"create": DOC, "delete": {"id": "a"}}], r"mutations\[0\]: must be an object with one member"),
        (
            [{"delete": {"id": "a"}}, {"upsert": DOC}],
            r"mutations\[1\]\.upsert: there is no mutation 'upsert'",
        ),
        ([{"create": []}], r"mutations\[0\]\.create: must be an object"),
        ([{"create": {"_id": "a"}}], r"mutations\[0\]\.create: _type must be a string"),
        ([{"create": {"_id": "a", "_type": ""}}], "_type must be a string of 1 to 256"),
        ([{"create": {"_id": "a", "_type": 7}}], "_type must be a string"),
        ([{"createOrReplace": {"_type": "movie"}}], r"createOrReplace: the document has no _id"),
        ([{"createIfNotExists": {"_type": "movie"}}], "the document has no _id"),
        ([{"create": {"_id": 7, "_type": "movie"}}], r"create\._id must be a non-empty string"),
        ([{"create": {"_id": "-a", "_type": "movie"}}], "'-a' cannot be an id"),
        ([{"create": {"_id": ".a", "_type": "movie"}}], "cannot be an id"),
        ([{"create": {"_id": "a..b", "_type": "movie"}}], "cannot be an id"),
        ([{"create": {"_id": "a b", "_type": "movie"}}], "cannot be an id"),
        ([{"create": {"_id": "a\n", "_type": "movie"}}], "cannot be an id"),
        ([{"create": {"_id": "é", "_type": "movie"}}], "cannot be an id"),
        ([{"create": {"_id": "a" * 129, "_type": "movie"}}], "1 to 128"),
        ([{"delete": {}}], r"delete: needs an id"),
        ([{"delete": {"id": ""}}], r"delete\.id must be a non-empty string"),
        ([{"delete": {"id": "a", "purge": True}}], r"delete: 'purge' is not supported; use id"),
        ([{"delete": {"query": "*[_type=='a']"}}], r"delete\.query: documents are selected by id"),
        ([{"delete": {"query": "*[_id in $ids]"}}], r"delete\.query: documents are selected by id"),
        ([{"delete": {"query": "*[_id in $ids]", "params": {"ids": ["a", 7]}}}], r"params\.ids\[1\] must be"),
        ([{"patch": {"set": {"a": 1}}}], r"patch: needs an id"),
        ([{"patch": {"id": "a", "inc": {"n": 1}}}], r"patch: 'inc' is not supported; use id, .*, set, unset"),
        ([{"patch": {"id": "a", "set": []}}], r"patch\.set: must be an object of paths"),
        ([{"patch": {"id": "a", "unset": "b"}}], r"patch\.unset: must be an array of paths"),
        ([{"patch": {"id": "a", "unset": [7]}}], r"patch\.unset: must be an array of paths"),
        ([{"patch": {"id": "a", "set": {"b..c": 1}}}], r"patch\.set: cannot read 'b\.\.c' at position 2"),
        ([{"patch": {"id": "a", "ifRevisionID": 7}}], r"ifRevisionID: must be a string"),
        ([{"delete": {"id": "a"}}] * (MAX_MUTATIONS + 1), "at most 5000"),
    ],
)
def test_what_is_no_mutation_is_told_by_its_place(mutations: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_mutations(mutations)


def test_an_id_is_made_where_there_is_none() -> None:
    found = parse_mutations([{"create": {"_type": "t"}}, {"create": {"_type": "t", "_id": "drafts."}}])
    first, second = (each.mutation for each in found)
    assert isinstance(first, Put)
    assert isinstance(second, Put)
    assert len(first.document_id) == 32
    assert first.body["_id"] == first.document_id
    assert second.document_id.startswith("drafts.")
    assert len(second.document_id) == 39


def test_a_list_of_ids_is_one_mutation_each() -> None:
    of_ids = {"query": "*[_id in $ids]", "params": {"ids": ["a", "b", "a"]}}
    found = parse_mutations([{"delete": of_ids}, {"patch": {**of_ids, "unset": ["x"]}}])
    assert [type(each.mutation) for each in found] == [Delete, Delete, Patch, Patch]
    assert [each.place for each in found] == [0, 0, 1, 1]


def test_keys_are_made_where_they_are_asked_for() -> None:
    body = {**DOC, "list": [{"x": [{"y": 1}]}, {"_key": "mine"}, 7]}
    (found,) = parse_mutations([{"createOrReplace": body}], array_keys=True)
    assert isinstance(found.mutation, Put)
    one, two, three = found.mutation.body["list"]
    assert len(one["_key"]) == 12
    assert len(one["x"][0]["_key"]) == 12
    assert (two, three) == ({"_key": "mine"}, 7)
    (plain,) = parse_mutations([{"createOrReplace": body}])
    assert isinstance(plain.mutation, Put)
    assert plain.mutation.body == body


def test_which_depend_on_nothing() -> None:
    assert is_blind(parse_mutations([{"createOrReplace": DOC}, {"delete": {"id": "b"}}]))
    for mutation in ({"create": DOC}, {"createIfNotExists": DOC}, {"patch": {"id": "a"}}):
        assert not is_blind(parse_mutations([{"delete": {"id": "b"}}, mutation]))


def test_each_sees_those_before_it() -> None:
    found = parse_mutations(
        [
            {"create": {**DOC, "n": 1}},
            {"patch": {"id": "a", "set": {"n": 2, "m": 3}, "unset": ["m"], "ifRevisionID": "t1"}},
            {"createIfNotExists": {**DOC, "n": 9}},
            {"delete": {"id": "a"}},
            {"delete": {"id": "a"}},
            {"create": {**DOC, "n": 4, "_createdAt": "2020", "_rev": "x"}},
        ]
    )
    outcome = apply_mutations(found, {}, STAMP)
    assert [each.operation for each in outcome.results] == [
        "create",
        "update",
        "none",
        "delete",
        "none",
        "create",
    ]
    assert outcome.results[1].document == {
        **DOC,
        "n": 2,
        "_createdAt": STAMP.timestamp,
        "_updatedAt": STAMP.timestamp,
        "_rev": "t1",
    }
    assert outcome.changed == {
        "a": {**DOC, "n": 4, "_createdAt": "2020", "_updatedAt": STAMP.timestamp, "_rev": "t1"}
    }


def test_what_contradicts_the_documents_is_told_by_its_place() -> None:
    there = {"a": {**DOC, "_rev": "r1"}}
    before = {"delete": {"id": "b"}}
    with pytest.raises(Conflict, match=r'mutations\[1\]: Document by ID "a" already exists'):
        apply_mutations(parse_mutations([before, {"create": DOC}]), there, STAMP)
    with pytest.raises(NotFound, match=r'mutations\[1\]: The document with the ID "b" was not found'):
        apply_mutations(parse_mutations([before, {"patch": {"id": "b", "set": {"x": 1}}}]), there, STAMP)
    with pytest.raises(Conflict, match=r'unexpected revision ID \("r1"\), expected "r0"'):
        apply_mutations(parse_mutations([{"patch": {"id": "a", "ifRevisionID": "r0"}}]), there, STAMP)


@pytest.mark.parametrize("change", [{"set": {"_id": "b"}}, {"set": {"_type": "x"}}, {"unset": ["_type"]}])
def test_id_and_type_stay(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="Cannot modify immutable attribute"):
        apply_mutations(parse_mutations([{"patch": {"id": "a", **change}}]), {"a": DOC}, STAMP)
