"""Objects to records: texts, parts, their vectors and metadata; what fails alone, and what takes all with it."""

from typing import Any

import numpy as np
import orjson
import pytest

from shoal.embedding.models import Models
from shoal.errors import ModelDenied
from shoal.model.bindings import MAX_PARTS, MAX_PAYLOAD_BYTES, Aggregation, Family, part_id
from shoal.model.datasets import Dataset, Metric
from shoal.model.embedding_models import STATIC_MODELS, EmbeddingModel, ModelRegistry
from shoal.model.tasks import FailureStage
from shoal.model.templates import MAX_DEPTH
from shoal.services.collections.catalog import create_collection
from shoal.services.collections.embedding import EmbeddedObjects, SourceObject, embed_objects
from shoal.services.collections.given import given_objects
from shoal.services.collections.objects import object_of_json, object_of_metadata
from shoal.services.embedding import Embedder
from shoal.services.tasks.bodies import ObjectsBody, decode_body, encode_body
from shoal.storage.memory import MemoryInference, MemoryOutbound
from tests.unit.services.reindex.models import NEW, OLD, vector_of
from tests.unit.services.reindex.world import TextWorld
from tests.unit.services.tasks.line_world import CANNOT, LineWorld


@pytest.fixture
def world() -> LineWorld:
    return LineWorld()


def collection(world: TextWorld, model: EmbeddingModel = OLD, **more: Any) -> Dataset:
    return create_collection(world.ports, world.tenant_id, Family.ITEMS, model, **more).dataset


def titled(*titles: str) -> list[SourceObject]:
    return [SourceObject(f"o{number}", {"title": title}) for number, title in enumerate(titles)]


def metadata(found: EmbeddedObjects) -> list[dict[str, Any]]:
    return [orjson.loads(one) for one in found.metadata]


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


@pytest.mark.parametrize("model", [OLD, NEW])
def test_an_object_with_little_text_is_one_record(world: LineWorld, model: EmbeddingModel) -> None:
    source = SourceObject("chair", {"title": "a chair", "n": 1}, {"item_info": {"from": "catalog"}})
    found = embed_objects(world.embedder(), collection(world, model), [source])
    assert (found.ids, found.parts, found.failed) == (["chair"], {"chair": 1}, [])
    assert found.vectors.tolist() == [list(vector_of(model, "a chair"))]
    assert metadata(found) == [
        {"payload": {"title": "a chair", "n": 1}, "item_info": {"from": "catalog"}, "part": 0, "parts": 1}
    ]
    assert (found.tokens, found.characters, found.truncated) == (2, 7, 0)


@pytest.mark.parametrize("model", [OLD, NEW])
def test_long_text_has_a_record_for_each_part(world: LineWorld, model: EmbeddingModel) -> None:
    found = embed_objects(world.embedder(), collection(world, model), titled("short", words(20), words(8)))
    assert found.ids == ["o0", "o1", part_id("o1", 1), part_id("o1", 2), "o2"]
    assert found.parts == {"o0": 1, "o1": 3, "o2": 1}
    texts = ["short", words(8) + " ", " ".join(words(16).split()[8:]) + " ", "w16 w17 w18 w19", words(8)]
    assert [tuple(row) for row in found.vectors.tolist()] == [
        vector_of(model, " ".join(text.split())) for text in texts
    ]
    said = metadata(found)[1:4]
    assert [(one["part"], one.get("parts")) for one in said] == [(0, 3), (1, None), (2, None)]
    assert all(one["payload"] == {"title": words(20)} for one in said)
    assert found.characters == len("short") + len(words(20)) + len(words(8))


@pytest.mark.parametrize("model", [OLD, NEW])
def test_text_beyond_the_last_part_is_told(world: LineWorld, model: EmbeddingModel) -> None:
    found = embed_objects(world.embedder(), collection(world, model), titled(words(1000), words(9)))
    assert found.parts == {"o0": MAX_PARTS, "o1": 2}
    assert (found.truncated, found.cut) == (1, ("o0",))


def test_under_average_an_object_is_the_middle_of_its_parts(world: LineWorld) -> None:
    dataset = collection(world, aggregation=Aggregation.AVERAGE)
    found = embed_objects(world.embedder(), dataset, titled(words(12), "short"))
    parts = np.array([vector_of(OLD, words(8)), vector_of(OLD, "w8 w9 w10 w11")], dtype=np.float32)
    np.testing.assert_allclose(found.vectors[0], parts.mean(axis=0), rtol=1e-6)
    assert (found.ids, found.parts) == (["o0", "o1"], {"o0": 1, "o1": 1})
    assert [one.get("is_average") for one in metadata(found)] == [True, None]


def test_a_template_decides_what_is_read(world: LineWorld) -> None:
    dataset = collection(world, template="{kind}: {title}")
    sources = [SourceObject("a", {"title": "chair", "kind": "seat", "more": "not read"})]
    found = embed_objects(world.embedder(), dataset, sources)
    assert found.vectors.tolist() == [list(vector_of(OLD, "seat: chair"))]


def test_what_is_wrong_with_an_object_is_its_own(world: LineWorld) -> None:
    deep: Any = "bottom"
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    sources = [
        SourceObject("empty", {}),
        SourceObject("numbers", {"n": 3, "blank": "  \n"}),
        SourceObject("deep", {"title": "words", "deep": deep}),
        SourceObject("refused", {"title": CANNOT}, {"item_info": {"from": "here"}}),
        SourceObject("large", {"title": "words", "data": "x " * (MAX_PAYLOAD_BYTES // 2)}),
        SourceObject("fine", {"title": "words"}),
    ]
    found = embed_objects(world.embedder(), collection(world), sources)
    assert (found.ids, found.parts) == (["fine"], {"fine": 1})
    assert [(one.object_id, one.stage) for one in sorted(found.failed, key=lambda one: one.object_id)] == [
        ("deep", FailureStage.SPLITTING),
        ("empty", FailureStage.SPLITTING),
        ("large", FailureStage.UPSERT),
        ("numbers", FailureStage.SPLITTING),
        ("refused", FailureStage.INFERENCE),
    ]
    refused = next(one for one in found.failed if one.object_id == "refused")
    assert (refused.detail, refused.payload, refused.item_info) == (
        "not here",
        {"title": CANNOT},
        {"from": "here"},
    )


def test_one_refused_part_takes_its_object_along(world: LineWorld) -> None:
    found = embed_objects(world.embedder(), collection(world, NEW), titled(words(10) + " " + CANNOT))
    assert (found.ids, [one.object_id for one in found.failed]) == ([], ["o0"])
    assert found.vectors.shape == (0, NEW.dimension)


def test_what_is_wrong_with_the_model_is_raised(world: LineWorld) -> None:
    world.models.told.problem = lambda model: ModelDenied(model.model_id, "no access")
    with pytest.raises(ModelDenied):
        embed_objects(world.embedder(), collection(world), titled("words"))


def test_no_objects_are_no_records_and_one_that_comes_twice_is_a_mistake(world: LineWorld) -> None:
    dataset = collection(world)
    assert embed_objects(world.embedder(), dataset, []).vectors.shape == (0, OLD.dimension)
    with pytest.raises(ValueError, match="twice"):
        embed_objects(world.embedder(), dataset, titled("a") * 2)
    with pytest.raises(ValueError, match="has no embedding model"):
        embed_objects(world.embedder(), world.create(dimension=OLD.dimension), titled("a"))


def test_the_bundled_model_embeds_a_document_of_a_megabyte_by_its_beginning(world: LineWorld) -> None:
    registry = ModelRegistry(STATIC_MODELS)
    embedder = Embedder(world.ports, Models(registry, inference=MemoryInference(), outbound=MemoryOutbound()))
    sentence = "An ergonomic chair with a mesh back and a cushioned seat. "
    text = sentence * (200_000 // len(sentence))
    dataset = collection(world, registry["static-128"])
    found = embed_objects(embedder, dataset, titled("A red chair.", text, "x" * 1_000_000, "\U0001f600"))
    assert found.parts == {"o0": 1, "o1": MAX_PARTS, "o3": 1}
    assert found.truncated == 1
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    assert [(one.object_id, one.stage) for one in found.failed] == [("o2", FailureStage.UPSERT)]
    assert f"at most {MAX_PAYLOAD_BYTES} fit" in found.failed[0].detail


def test_a_record_of_an_object_is_read_back_as_the_object(world: LineWorld) -> None:
    given = {
        "object_id": "a",
        "payload": {"title": words(20)},
        "item_info": {"x": 1},
        "storage_meta": {},
        "user_id": "u",
        "session_id": None,
    }
    source = object_of_json(given)
    assert source.more == {"item_info": {"x": 1}, "storage_meta": {}, "user_id": "u"}
    found = embed_objects(world.embedder(), collection(world), [source])
    assert len(found.metadata) == 3
    assert [object_of_metadata("a", one) for one in found.metadata] == [source] * 3


# --- objects that bring their vectors


def given(dataset: Dataset, *objects: dict[str, Any]) -> EmbeddedObjects:
    data, _ = encode_body(ObjectsBody("upsert", list(objects)), dataset)
    return given_objects(dataset, [orjson.loads(line) for line in decode_body(data).lines])


def test_given_vectors_are_stored_bit_for_bit_with_what_is_said_of_each_part(world: LineWorld) -> None:
    parts = [
        {"vector": [0.1, 2, -3.5e30], "part_id": "head"},
        {"vector": [1, 1, 1], "is_average": True},
        {"vector": [7, 8, 9]},
    ]
    found = given(collection(world), {"object_id": "a", "payload": {"t": 1}, "user_id": "u", "parts": parts})
    assert found.ids == ["a", part_id("a", 1), part_id("a", 2)]
    np.testing.assert_array_equal(
        found.vectors, np.array([[0.1, 2, -3.5e30], [1, 1, 1], [7, 8, 9]], dtype=np.float32)
    )
    both = {"payload": {"t": 1}, "user_id": "u"}
    assert metadata(found) == [
        {**both, "part": 0, "parts": 3, "part_id": "head"},
        {**both, "part": 1, "is_average": True},
        {**both, "part": 2},
    ]


def test_under_average_given_parts_become_the_one_that_says_so_or_their_middle(world: LineWorld) -> None:
    dataset = collection(world, aggregation=Aggregation.AVERAGE)
    parts = [{"vector": [2, 0, 0]}, {"vector": [0, 4, 0]}]
    found = given(
        dataset,
        {"object_id": "a", "parts": parts},
        {"object_id": "b", "parts": [*parts, {"vector": [9, 9, 9], "is_average": True}]},
        {"object_id": "c", "parts": parts[:1]},
    )
    assert found.vectors.tolist() == [[1, 2, 0], [9, 9, 9], [2, 0, 0]]
    assert found.parts == {"a": 1, "b": 1, "c": 1}


def test_under_cosine_the_middle_has_length_one_or_no_direction(world: LineWorld) -> None:
    model = EmbeddingModel(**{name: getattr(OLD, name) for name in OLD.__slots__} | {"metric": Metric.COSINE})
    dataset = collection(world, model, aggregation=Aggregation.AVERAGE)
    found = given(
        dataset,
        {"object_id": "a", "parts": [{"vector": [5, 0, 0]}, {"vector": [0, 1, 0]}]},
        {"object_id": "b", "parts": [{"vector": [1, 0, 0]}, {"vector": [-3, 0, 0]}]},
    )
    np.testing.assert_allclose(found.vectors, [[0.5**0.5, 0.5**0.5, 0]], rtol=1e-6)
    assert [(one.object_id, one.stage) for one in found.failed] == [("b", FailureStage.UPSERT)]


@pytest.mark.parametrize("aggregation", Aggregation)
def test_many_at_once_are_what_they_are_one_by_one(world: LineWorld, aggregation: Aggregation) -> None:
    kinds = ("short", words(20), "", CANNOT, "also short", words(1000))
    sources = titled(*(kinds[number % 7 % len(kinds)] for number in range(1203)))
    dataset = collection(world, aggregation=aggregation)
    found = embed_objects(world.embedder(), dataset, sources)
    alone = {text: embed_objects(world.embedder(), dataset, titled(text)) for text in kinds}
    expected = [(source, alone[source.payload["title"]]) for source in sources]
    assert found.ids == [
        name.replace("o0", source.object_id, 1) for source, one in expected for name in one.ids
    ]
    np.testing.assert_array_equal(found.vectors, np.concatenate([one.vectors for _, one in expected]))
    assert found.metadata == [each for _, one in expected for each in one.metadata]
    assert sum(found.parts.values()) == len(found.ids)
    assert {one.object_id for one in found.failed} == {
        source.object_id for source, one in expected if one.failed
    }
    assert found.cut == tuple(source.object_id for source, one in expected if one.cut)
    assert (found.truncated, found.tokens, found.characters) == tuple(
        sum(one)
        for one in zip(*((one.truncated, one.tokens, one.characters) for _, one in expected), strict=True)
    )
