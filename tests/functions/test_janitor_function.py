"""The janitor's handler, and a recovery, over what AWS's own client does."""

from dataclasses import replace

import pytest

from shoal.services.heads import keys_of, read_head
from shoal.services.janitor.run import NotCleaned
from shoal.services.recover import recover
from shoal.services.tenants import list_tenants
from tests.functions.world import EVENTS, World

NOTHING = {"objects": 0, "bytes": 0, "by_reason": {}, "stopped": {}, "datasets": 0, "items": 0}


def test_every_sample_event_is_replayed() -> None:
    assert {path.stem for path in (EVENTS / "janitor").iterdir()} == {"scheduled", "dry_run"}


@pytest.mark.parametrize("case", ["scheduled", "dry_run"])
def test_a_young_deployment_has_no_garbage(world: World, case: str) -> None:
    before = {found.key for found in world.ports.objects.list("t/")}
    answer = world.replay("janitor", case)
    assert answer == NOTHING | {
        "dry_run": case == "dry_run",
        "tenants": len(list_tenants(world.ports)),
        "described": answer["described"],
        "finished": True,
    }
    assert before <= {found.key for found in world.ports.objects.list("t/")}


def test_what_cannot_be_read_is_an_error(world: World) -> None:
    head = read_head(world.ports, keys_of(world.dataset))
    assert head is not None
    assert head.manifest is not None
    world.ports.objects.put(head.manifest, b"damaged")
    with pytest.raises(NotCleaned, match=head.manifest):
        world.invoke("janitor", {})
    assert world.invoke("janitor", {"dry_run": True})["stopped"]


def test_a_table_of_aws_is_made_anew(world: World) -> None:
    lost = replace(world.ports, table=world.aws.table())
    report = recover(lost)
    assert report.whole
    assert {(each.name, each.row_count, each.writes_again) for each in report.datasets} == {
        ("products", 2, 1),
        ("manuals", 0, 0),
    }
    assert list_tenants(lost) == list_tenants(world.ports)
    keys = keys_of(world.dataset)
    before, after = read_head(world.ports, keys), read_head(lost, keys)
    assert before is not None
    assert after is not None
    assert replace(after, fence=before.fence) == before
