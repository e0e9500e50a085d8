"""The table is lost: documents are there, and content indexes hold what they select of them."""

from shoal.model.content_documents import Deletion
from shoal.services.content.indexes import failures_of
from shoal.services.recover import recover
from tests.unit.services.content.content_world import ContentWorld, document
from tests.unit.services.test_recover import lose_the_table


def world_with_indexes() -> ContentWorld:
    """One index is built, one is not; a change is not followed yet."""
    world = ContentWorld()
    world.put(document("a", title="one", year=2001), document("b", title="two", year=1990))
    world.put(document("bad", title="cannot", year=2002))
    world.made("recent", "year > 2000", "{title}")
    world.create_index("unbuilt")
    world.put(Deletion("a", 2), document("b", 2, title="two", year=2010))
    world.drain_all()
    return world


def test_indexes_come_back_and_follow() -> None:
    world = world_with_indexes()
    lose_the_table(world)
    report = recover(world.ports)
    assert not report.damaged
    assert {index.name for index in world.indexes()} == {"recent", "unbuilt"}
    recent = world.index("recent")
    assert (recent.filter, recent.projection, recent.status) == ("year > 2000", "{title}", "active")
    world.settle_down()
    for index in world.indexes():
        world.check(index)
        assert [one.document_id for one in failures_of(world.ports, index, limit=9)[0]] == ["bad"]
    world.put(document("c", title="three", year=2020))
    assert world.follow()
    world.drain_all()
    for index in world.indexes():
        world.check(index)
    world.delete_index("unbuilt")
    world.made("unbuilt")
