"""Aliases of derived indexes, in the scope of another dialect: moved, and no reader notices."""

import orjson
import pytest

from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.routes import service_router
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.derivations import Condition
from shoal.model.openverse import SCOPE
from shoal.model.tenants import Scope
from shoal.services import aliases, datasets
from shoal.services.api_keys import create_key
from shoal.services.clone import clone_dataset
from shoal.services.search import Searcher
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports
from tests.unit.http.api import event
from tests.unit.services.alias_readers import READS, ROWS, Read, Where, readers
from tests.unit.services.alias_world import consistent, point, target
from tests.unit.services.derived.deriving import DeriveWorld
from tests.unit.services.world import record

ALIAS = "image"
IMAGE = Where(SCOPE, ALIAS)
MOVES = 500
DERIVED_EACH = 20
"""Of so many moves one goes to an index that the workflow has made, the others to clones of it: they share the
masked version, and take a twentieth of the time.
"""
SAFE = Condition(
    filter={"safe": True}, terms=("rude",), term_fields=("title", "tags[].name"), list_name="sensitive"
)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.services.retry.LONGEST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def world() -> DeriveWorld:
    world = DeriveWorld()
    world.tenant_id = create_tenant(world.ports, name="test").tenant_id
    return world


def catalogue(world: DeriveWorld, name: str) -> Dataset:
    """A source of which three records are to be seen: they say whose they are. The others must never be."""
    dataset = world.create(name)
    kept = {f"{n}": record(n, 0, 0, 1, of=name, safe=True, title="a walk") for n in range(ROWS)}
    hidden = {
        "3": record(3, 0, 0, 1, of=name, safe=False, title="left out by the filter"),
        "4": record(4, 0, 0, 1, of=name, safe=True, title="a rude one"),
        "5": record(5, 0, 0, 1, of=name, safe=True, title="a walk", tags=[{"name": "Rude"}]),
    }
    world.upsert(dataset, kept | hidden)
    world.drain(dataset)
    return dataset


def by_api(app: App, key: str) -> Read:
    """A read over HTTP, which names the index in the body of a native query."""

    def ask(_: Searcher, __: Ports, ___: str, at: Where) -> list[bytes]:
        body = orjson.dumps({"dataset": f"{at.scope}/{at.name}", "vector": [0, 0, 0, 0], "min_version": 1})
        answer = app.handle(
            event("POST", "/v1/query", body=body.decode(), headers={"authorization": f"Bearer {key}"})
        )
        assert answer["statusCode"] == 200, answer["body"]
        return [orjson.dumps(match["metadata"]) for match in orjson.loads(answer["body"])["matches"]]

    return ask


def test_no_reader_notices_that_fresh_indexes_take_the_place_of_old_ones(world: DeriveWorld) -> None:
    """The alias is moved 500 times, and what it pointed at is deleted behind it."""
    sources = [catalogue(world, f"source{number}") for number in range(4)]
    _, key = create_key(
        world.ports, tenant_id=world.tenant_id, name="test", scopes=frozenset({Scope.READ}), expires_at=None
    )
    searcher = Searcher(world.ports, cache_bytes=1 << 26)
    over_http = by_api(App(service_router(), Deps(world.ports, searcher)), key)

    def fresh(number: int) -> None:
        """One more index, and the alias on it; the old one goes."""
        name = f"{ALIAS}-{number}"
        if number % DERIVED_EACH == 0:
            source = sources[number // DERIVED_EACH % len(sources)]
            world.completed(world.begin(source, name, SAFE, scope=SCOPE))
        else:
            last = datasets.resolve(world.ports, world.tenant_id, scope=SCOPE, name=f"{ALIAS}-{number - 1}")
            clone_dataset(world.ports, last, name=name, vector_quota=None)
        point(world, name, alias=ALIAS, scope=SCOPE)
        if number:
            datasets.delete_dataset(world.ports, world.tenant_id, scope=SCOPE, name=f"{ALIAS}-{number - 1}")

    fresh(0)
    with readers(world, (*READS, over_http), IMAGE) as watched:
        for number in range(1, MOVES + 1):
            fresh(number)
            if watched.failed:
                break
    assert not watched.failed
    assert min(watched.answers.values()) > 10
    assert target(world, ALIAS, scope=SCOPE) == f"{ALIAS}-{MOVES}"
    left = datasets.list_datasets(world.ports, world.tenant_id, scope=SCOPE)
    assert [(view.dataset.name, view.aliases) for view in left] == [(f"{ALIAS}-{MOVES}", (ALIAS,))]
    consistent(world)


def test_a_filtered_index_behind_its_alias_is_made_anew_without_notice(world: DeriveWorld) -> None:
    """The index itself takes newer versions of its source, while the alias stays."""
    source = catalogue(world, "source")
    world.completed(world.begin(source, "image-1", SAFE, scope=SCOPE))
    point(world, "image-1", alias=ALIAS, scope=SCOPE)
    index = datasets.resolve(world.ports, world.tenant_id, scope=SCOPE, name=ALIAS)
    with readers(world, READS, IMAGE) as watched:
        for number in range(30):
            newest = {f"{n}": record(n, 0, 0, 1, of=f"{number}", safe=True) for n in range(ROWS)}
            world.upsert(source, newest | {"9": record(9, 0, 0, 1, of=f"{number}", safe=False)})
            world.drain(source)
            world.rebuild(index)
            if watched.failed:
                break
    assert not watched.failed
    assert min(watched.answers.values()) > 10


def test_scopes_do_not_meet(world: DeriveWorld) -> None:
    """A dataset and an alias may be called alike, each in its scope, and only its own names lead to each."""
    source = catalogue(world, ALIAS)
    world.completed(world.begin(source, "image-1", SAFE, scope=SCOPE))
    point(world, "image-1", alias=ALIAS, scope=SCOPE)
    for read in READS:
        for searcher in (world.searcher, Searcher(world.ports, cache_bytes=1 << 20)):
            assert len(read(searcher, world.ports, world.tenant_id, IMAGE)) == ROWS
            assert len(read(searcher, world.ports, world.tenant_id, Where(NATIVE_SCOPE, ALIAS))) == 2 * ROWS
    assert aliases.list_aliases(world.ports, world.tenant_id, scope=NATIVE_SCOPE) == []
