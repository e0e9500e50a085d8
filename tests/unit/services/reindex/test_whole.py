"""Whole reindexes by the deployed workflow, in process."""

import pytest

from shoal.model.imports import ImportStatus
from shoal.model.tasks import TaskStatus
from shoal.services.collections.counts import read_counts
from shoal.services.heads import keys_of
from tests.unit.services.reindex.models import NEW, OLD
from tests.unit.services.reindex.world import TextWorld, numbered

LAYOUTS = pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])


@LAYOUTS
@pytest.mark.parametrize("words", [3, 20], ids=["short", "many parts"])
def test_the_destination_is_what_the_source_is(in_cells: bool, words: int) -> None:
    world = TextWorld(in_cells=in_cells)
    documents = numbered(30, words=words)
    world.source(documents)
    task = world.reindex(deploy_as_blue=True)
    assert task.status is TaskStatus.PROCESSING
    assert world.run().succeeded
    dest = world.found(NEW)
    assert world.records(dest) == world.expected(dest, documents)
    assert world.blue() == NEW.model_id
    done = world.task()
    assert (done.status, done.total, done.processed, done.failed) == (TaskStatus.DONE, 30, 30, 0)
    assert world.job().status is ImportStatus.COMPLETED
    assert world.state().reindexes == ()
    assert world.records(world.found(OLD)) == world.expected(world.found(OLD), documents)
    counts = read_counts(world.ports, keys_of(dest))
    assert counts.documents == 30
    assert (counts.most_parts > 1) == (words > 8)
