"""Objects by id: whole, with the vector of each part, wherever their records lie."""

from typing import Any

import pytest

from shoal.errors import InvalidInput
from shoal.model.bindings import Field, part_id
from shoal.services.collections.reading import read_objects
from tests.unit.services.cell_world import searcher_over
from tests.unit.services.collections.gallery import Gallery, Thing

PARTS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def filled() -> Gallery:
    gallery = Gallery()
    gallery.hang_in_cells([Thing(f"cell{n}", PARTS, {"n": n}) for n in range(4)], cells=5)
    gallery.hang([Thing("resident", PARTS[:2], {"n": 5})])
    gallery.world.build(gallery.dataset)
    gallery.hang([Thing("delta", PARTS[:1], {}, {Field.USER: "ann", Field.INFO: {"source": "s"}})])
    return gallery


def test_objects_in_the_order_asked_for_and_each_once() -> None:
    gallery = filled()
    asked = ["delta", "nobody", "cell3", "resident", "cell3"]
    found = read_objects(gallery.world.searcher, gallery.open(), asked)
    assert [each.object_id for each in found] == ["delta", "cell3", "resident"]
    assert [len(each.parts) for each in found] == [1, 3, 2]
    vectors = [tuple(part.vector.tolist()) for part in found[1].parts]
    assert tuple(vectors) == PARTS
    assert found[1].metadata[Field.PAYLOAD] == {"n": 3}
    assert found[0].metadata[Field.USER] == "ann"


def test_a_part_is_no_object() -> None:
    gallery = filled()
    assert read_objects(gallery.world.searcher, gallery.open(), [part_id("cell1", 1)]) == ()


def test_names_of_parts_and_middles_are_told() -> None:
    gallery = Gallery()
    metadata: dict[str, Any] = {Field.PAYLOAD: {}, Field.PART: 0, Field.PARTS: 1}
    middle = metadata | {Field.PART_ID: "a:average", Field.AVERAGE: True}
    gallery.world.upsert(gallery.dataset, {"a": (PARTS[0], middle), "b": (PARTS[0], metadata)})
    gallery.world.drain(gallery.dataset)
    found = read_objects(gallery.world.searcher, gallery.open(), ["a", "b"])
    assert [(part.part_id, part.is_average) for each in found for part in each.parts] == [
        ("a:average", True),
        (None, False),
    ]


def test_what_the_budget_does_not_read_at_once_is_read_in_turns() -> None:
    gallery = filled()
    searcher, _ = searcher_over(gallery.world, budget_bytes=1)
    found = read_objects(searcher, gallery.open(), [f"cell{n}" for n in range(4)])
    assert [len(each.parts) for each in found] == [3, 3, 3, 3]


def test_more_than_an_answer_holds() -> None:
    gallery = Gallery()
    gallery.hang([Thing(f"t{n}", PARTS[:1], {"pad": "x" * 250_000}) for n in range(30)])
    names = [f"t{n}" for n in range(30)]
    with pytest.raises(InvalidInput) as refused:
        read_objects(gallery.world.searcher, gallery.open(), names)
    assert refused.value.code == "response_too_large"
    assert refused.value.details is not None
    fits = refused.value.details["object_ids"]
    assert 15 <= fits <= 21
    assert len(read_objects(gallery.world.searcher, gallery.open(), names[:fits])) == fits


def test_nothing_there() -> None:
    gallery = Gallery()
    assert read_objects(gallery.world.searcher, gallery.open(), ["a"]) == ()
    gallery.hang([Thing("a", PARTS[:1])])
    assert read_objects(gallery.world.searcher, gallery.open(), []) == ()
