"""Workflows: an execution is started once, whoever asks again, and ends when told to."""

import pytest

from shoal.storage.ports import Workflows

GIVEN = {"import_id": "imp_1"}


def test_an_execution_runs(workflows: Workflows) -> None:
    workflows.start("imp_1", GIVEN)
    assert workflows.status("imp_1") == "RUNNING"


def test_starting_again_is_nothing(workflows: Workflows) -> None:
    workflows.start("imp_1", GIVEN)
    workflows.start("imp_1", GIVEN)
    assert workflows.status("imp_1") == "RUNNING"


def test_starting_again_what_has_ended_is_nothing(workflows: Workflows) -> None:
    workflows.start("imp_1", GIVEN)
    workflows.stop("imp_1", cause="cancelled")
    workflows.start("imp_1", GIVEN)
    assert workflows.status("imp_1") == "ABORTED"


def test_with_another_input_it_is_a_mistake(workflows: Workflows) -> None:
    workflows.start("imp_1", GIVEN)
    with pytest.raises(ValueError):
        workflows.start("imp_1", {"import_id": "imp_2"})


def test_stopping(workflows: Workflows) -> None:
    workflows.start("imp_1", GIVEN)
    workflows.stop("imp_1", cause="cancelled")
    assert workflows.status("imp_1") == "ABORTED"
    workflows.stop("imp_1", cause="cancelled again")
    assert workflows.status("imp_1") == "ABORTED"


def test_what_never_was(workflows: Workflows) -> None:
    assert workflows.status("imp_1") is None
    workflows.stop("imp_1", cause="cancelled")
    assert workflows.status("imp_1") is None
