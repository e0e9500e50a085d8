"""Aliases pointed and indexes deleted within the request, and all that keeps live indexes from harm."""

from typing import Any

import pytest

from tests.unit.http.openverse.client import BAD_REQUEST, DONE, FAILED, Openverse, absent, told


@pytest.mark.parametrize("action", ["POINT_ALIAS", "PROMOTE"])
def test_an_alias_is_made_and_moved(api: Openverse, action: str) -> None:
    api.index("image-1")
    api.index("image-2")
    made = api.task(action, index_suffix="1", alias="image")
    assert made.json["message"] == DONE
    assert api.stat("image") == (True, True, "image-1")
    again = api.task(action, index_suffix="1", alias="image")
    assert (again.status, again.json["message"]) == (202, DONE)
    assert api.task(action, index_suffix="2", alias="image").status == 202
    assert api.stat("image") == (True, True, "image-2")
    assert api.stat("image-1") == (True, False, [])
    status = api.status(made)
    assert (status["action"], status["progress"], status["error"]) == (action, 100.0, False)


def test_an_alias_onto_what_is_not_there(api: Openverse) -> None:
    assert told(api.task("POINT_ALIAS", index_suffix="1", alias="image")) == (500, FAILED)
    assert told(api.task("POINT_ALIAS", index_suffix="1", alias="image-filtered")) == (500, FAILED)
    api.unfinished("image-1")
    answer = api.task("POINT_ALIAS", index_suffix="1", alias="image")
    assert told(answer) == (500, FAILED)
    assert "not finished" in answer.json["detail"]
    assert api.stat("image") == absent()
    status = api.newest()
    assert (status["active"], status["error"], status["is_bad_request"]) == (False, True, False)
    assert status["detail"] == answer.json["detail"]


def test_an_alias_that_is_the_name_of_an_index(api: Openverse) -> None:
    api.index("image-1")
    api.index("image-2")
    answer = api.task("POINT_ALIAS", index_suffix="1", alias="image-2")
    assert told(answer) == (500, FAILED)
    assert "image-2 is the name of a dataset" in answer.json["detail"]
    assert told(api.task("POINT_ALIAS", index_suffix="1", alias="image-1")) == (500, FAILED)
    api.unfinished("image-3")
    assert told(api.task("POINT_ALIAS", index_suffix="1", alias="image-3")) == (500, FAILED)
    assert api.stat("image-2") == (True, False, [])


def test_an_alias_of_an_alias_is_one_of_its_index(api: Openverse) -> None:
    api.index("image-1")
    api.point("image-live", "image-1")
    assert api.task("POINT_ALIAS", index_suffix="live", alias="image").status == 202
    assert api.stat("image") == (True, True, "image-1")


def test_the_filtered_alias_points_at_the_filtered_twin(api: Openverse) -> None:
    api.index("image-1")
    refused = api.task("POINT_ALIAS", index_suffix="1", alias="image-filtered")
    assert told(refused) == (400, BAD_REQUEST)
    assert "CREATE_AND_POPULATE_FILTERED_INDEX" in refused.json["detail"]
    assert api.newest()["is_bad_request"] is True
    assert api.stat("image-filtered") == absent()
    api.index("image-1-filtered")
    pointed = api.task("POINT_ALIAS", index_suffix="1", alias="image-filtered")
    assert api.stat("image-filtered") == (True, True, "image-1-filtered")
    assert "twin" in api.status(pointed)["detail"]
    api.index("image-2-filtered")
    assert api.task("POINT_ALIAS", index_suffix="2-filtered", alias="image-filtered").status == 202
    assert api.stat("image-filtered") == (True, True, "image-2-filtered")
    assert api.task("POINT_ALIAS", index_suffix="1", alias="image").status == 202
    assert api.stat("image") == (True, True, "image-1"), "other aliases point where they are told"


@pytest.mark.parametrize("alias", ["image-filtered", "audio-filtered", "model_3d-filtered"])
def test_no_unfiltered_index_is_ever_behind_a_filtered_alias(api: Openverse, alias: str) -> None:
    api.index("image-1")
    api.index("image-1-filtered")
    api.point("image-2", "image-1-filtered")
    api.point("image-3", "image-1")
    api.point("image-3-filtered", "image-1")
    assert api.task("POINT_ALIAS", index_suffix="2", alias=alias).status == 202
    assert api.stat(alias) == (True, True, "image-1-filtered")
    assert told(api.task("POINT_ALIAS", index_suffix="3", alias=alias)) == (400, BAD_REQUEST)
    assert told(api.task("POINT_ALIAS", index_suffix="3-filtered", alias=alias)) == (400, BAD_REQUEST)
    assert api.stat(alias) == (True, True, "image-1-filtered")


def test_an_unfinished_twin_is_none(api: Openverse) -> None:
    api.index("image-1")
    api.unfinished("image-1-filtered")
    for suffix in ("1", "1-filtered"):
        assert api.task("POINT_ALIAS", index_suffix=suffix, alias="image-filtered").status in (400, 500)
    assert api.stat("image-filtered") == absent()


def test_an_index_is_deleted(api: Openverse) -> None:
    api.index("image-1")
    deleted = api.task("DELETE_INDEX", index_suffix="1")
    assert deleted.json["message"] == DONE
    assert api.stat("image-1") == absent()
    status = api.status(deleted)
    assert (status["progress"], status["is_bad_request"]) == (100.0, False)


@pytest.mark.parametrize(
    "fields", [{"index_suffix": "9"}, {"alias": "image", "force_delete": True}, {"alias": "image"}]
)
def test_what_is_not_there_need_not_be_deleted(api: Openverse, fields: dict[str, Any]) -> None:
    api.unfinished("image-9")
    answer = api.task("DELETE_INDEX", **fields)
    assert (answer.status, answer.json["message"]) == (202, DONE)
    status = api.status(answer)
    assert (status["is_bad_request"], status["error"], status["progress"]) == (True, False, 100.0)
    assert "nothing was deleted" in status["detail"]


@pytest.mark.parametrize("force", [{}, {"force_delete": False}, {"force_delete": True}])
def test_a_live_index_is_not_deleted_by_its_name(api: Openverse, force: dict[str, Any]) -> None:
    api.index("image-1")
    api.point("image", "image-1")
    answer = api.task("DELETE_INDEX", index_suffix="1", **force)
    assert told(answer) == (400, BAD_REQUEST)
    assert "aliases point at it: image" in answer.json["detail"]
    assert api.stat("image") == (True, True, "image-1")
    status = api.newest()
    assert (status["is_bad_request"], status["error"], status["progress"]) == (True, True, 0.0)


def test_a_live_index_is_deleted_by_its_alias_only_with_force(api: Openverse) -> None:
    api.index("image-1")
    api.point("image", "image-1")
    api.point("main", "image-1")
    without: list[dict[str, Any]] = [{}, {"force_delete": False}]
    for force in without:
        answer = api.task("DELETE_INDEX", alias="image", **force)
        assert told(answer) == (400, BAD_REQUEST)
        assert "force_delete" in answer.json["detail"]
    assert api.stat("image-1") == (True, False, ["image", "main"])
    assert api.task("DELETE_INDEX", alias="image", force_delete=True).json["message"] == DONE
    assert [api.stat(name) for name in ("image", "main", "image-1")] == [absent()] * 3


def test_an_alias_may_be_what_a_suffix_makes_and_an_index_what_an_alias_says(api: Openverse) -> None:
    api.index("image-1")
    api.point("image-live", "image-1")
    assert told(api.task("DELETE_INDEX", index_suffix="live")) == (400, BAD_REQUEST)
    assert told(api.task("DELETE_INDEX", alias="image-1", force_delete=True)) == (400, BAD_REQUEST)
    assert api.task("DELETE_INDEX", index_suffix="live", force_delete=True).status == 202
    assert api.stat("image-1") == absent()
    api.index("image-2")
    assert api.task("DELETE_INDEX", alias="image-2").status == 202
    assert api.stat("image-2") == absent()


def test_whoever_is_to_be_called_is_left_to_the_workflow(api: Openverse) -> None:
    api.index("image-1")
    done = api.task("POINT_ALIAS", index_suffix="1", alias="image", callback_url="https://example.org/done")
    task = api.stored(done)
    assert (task.status, task.callback, task.settled) == ("completed", "pending", False)
    assert api.ingestions.status(task.task_id) == "RUNNING"
    failed = api.task("POINT_ALIAS", index_suffix="7", alias="image", callback_url="https://example.org/done")
    assert failed.status == 500
    nobody = api.stored(api.task("POINT_ALIAS", index_suffix="1", alias="image"))
    assert (nobody.callback, nobody.settled) == (None, True)
    assert api.ingestions.status(nobody.task_id) is None
    for url in (5, ["http://x"], "", " "):
        other = api.stored(api.task("POINT_ALIAS", index_suffix="1", alias="image", callback_url=url))
        assert other.callback is None


def test_an_index_that_goes_live_while_it_is_deleted_stays(api: Openverse) -> None:
    api.index("image-1")
    api.overtaken_by(lambda: api.task("POINT_ALIAS", index_suffix="1", alias="image"))
    assert told(api.task("DELETE_INDEX", index_suffix="1")) == (400, BAD_REQUEST)
    assert api.stat("image") == (True, True, "image-1")


def test_an_index_that_is_deleted_while_an_alias_is_moved_there(api: Openverse) -> None:
    api.index("image-1")
    api.index("image-2")
    api.point("image", "image-1")
    api.overtaken_by(lambda: api.task("DELETE_INDEX", index_suffix="2"))
    assert told(api.task("POINT_ALIAS", index_suffix="2", alias="image")) == (500, FAILED)
    assert api.stat("image") == (True, True, "image-1")
    assert api.stat("image-2") == absent()


def test_an_alias_that_is_moved_while_its_index_is_deleted(api: Openverse) -> None:
    api.index("image-1")
    api.index("image-2")
    api.point("image", "image-1")
    api.overtaken_by(lambda: api.task("POINT_ALIAS", index_suffix="2", alias="image"))
    assert api.task("DELETE_INDEX", alias="image", force_delete=True).status == 202
    assert api.stat("image-1") == absent(), "the alias pointed there when it was asked for"
    assert api.stat("image") == (True, True, "image-2")
