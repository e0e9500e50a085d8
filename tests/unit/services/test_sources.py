"""Sources of records: one for each media type, kept for the tenant whatever happens to the table."""

from dataclasses import replace

import pytest

from shoal.errors import InvalidInput, NotFound
from shoal.model.imports import ImportFormat
from shoal.model.sources import UpstreamSource, parse_s3_url
from shoal.services.recover import recover
from shoal.services.sources import drop_source, find_source, list_sources, put_source
from shoal.services.tenants import create_tenant
from shoal.storage.memory import MemoryTable, MemoryUpstream
from tests.unit.services.world import World


@pytest.fixture
def world() -> World:
    made = World()
    made.ports = replace(made.ports, upstream=MemoryUpstream(made.objects, made.clock))
    made.tenant_id = create_tenant(made.ports, name="ours").tenant_id
    return made


def put(world: World, model: str, url: str) -> UpstreamSource:
    return put_source(world.ports, world.tenant_id, model, url, "parquet")


def test_each_media_type_has_its_own(world: World) -> None:
    made = put(world, "image", "s3://catalogue/dumps/image/")
    put(world, "audio", "s3://catalogue/dumps/audio")
    assert find_source(world.ports, world.tenant_id, "image") == made
    assert (made.bucket, made.prefix, made.format) == ("catalogue", "dumps/image/", ImportFormat.PARQUET)
    assert [found.model for found in list_sources(world.ports, world.tenant_id)] == ["audio", "image"]
    other = create_tenant(world.ports, name="theirs").tenant_id
    assert list_sources(world.ports, other) == []
    with pytest.raises(NotFound) as caught:
        find_source(world.ports, other, "image")
    assert caught.value.code == "source_not_found"


def test_they_survive_the_loss_of_the_table(world: World) -> None:
    put(world, "image", "s3://catalogue/dumps/image")
    put(world, "audio", "s3://catalogue/dumps/audio")
    drop_source(world.ports, world.tenant_id, "audio")
    before = list_sources(world.ports, world.tenant_id)
    world.ports = replace(world.ports, table=MemoryTable(world.clock))
    assert recover(world.ports).whole
    assert list_sources(world.ports, world.tenant_id) == before
    assert len(before) == 1


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://catalogue", ("catalogue", "")),
        ("s3://catalogue/", ("catalogue", "")),
        ("s3://catalogue/a", ("catalogue", "a")),
        ("s3://catalogue/a//b/", ("catalogue", "a//b/")),
        ("s3://catalogue/a?b#c %20", ("catalogue", "a?b#c %20")),
        ("s3://catalogue//a", ("catalogue", "/a")),
    ],
)
def test_a_url_is_a_bucket_and_the_rest_as_it_is(url: str, found: tuple[str, str]) -> None:
    assert parse_s3_url(url) == found


@pytest.mark.parametrize(
    "url", ["", "s3:", "s3://", "S3x://a/b", "http://a/b", "s3:///a", "s3://a:80/b", "a/b"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_s3_url(url)
    assert caught.value.code == "invalid_source"


@pytest.mark.parametrize(
    ("prefix", "key", "holds"),
    [
        ("", "a.ndjson", True),
        ("", "a/b.ndjson", True),
        ("dump", "dump/a", True),
        ("dump/", "dump/a/b", True),
        ("dump", "dump", True),
        ("dump", "dumpster/a", False),
        ("dump/part-", "dump/part-1", False),
        ("dump", "dump/", False),
        ("dump", "dump/a/", False),
        ("dump", "dump/_SUCCESS", False),
        ("dump", "dump/.part.crc", False),
        ("dump", "dump/_old/a", True),
    ],
)
def test_what_belongs_to_a_folder(prefix: str, key: str, holds: bool) -> None:
    source = UpstreamSource("image", "catalogue", prefix, ImportFormat.NDJSON, 0.0)
    assert source.holds(key) is holds
