"""What is wrong with bodies of tasks, against what the original's library says of the original's schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.openverse import MEDIA_TYPES, Action
from shoal.model.openverse_requests import fault_of, used_fields, wrong_name

RECORDED: list[tuple[Any, str | None]] = json.loads(
    Path(__file__).with_name("openverse_faults.json").read_text()
)
"""Bodies, and what jsonschema 4.17.3 says of each by the schema of the original; null where it says nothing."""
NAMES = st.text("abz019_-A /.é", max_size=70)
ANYTHING = st.none() | st.booleans() | st.integers() | NAMES | st.lists(NAMES, max_size=2)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(MEDIA_TYPES) | ANYTHING,
        "action": st.sampled_from(list(Action)) | ANYTHING,
        **dict.fromkeys(("index_suffix", "alias", "since_date"), NAMES | ANYTHING),
        **dict.fromkeys(("origin_index_suffix", "destination_index_suffix"), NAMES | ANYTHING),
        "force_delete": st.booleans() | ANYTHING,
    },
)


@pytest.mark.parametrize(("body", "message"), RECORDED)
def test_the_original_says_the_same(body: Any, message: str | None) -> None:
    assert fault_of(body) == message


@given(BODIES)
def test_a_body_without_faults_has_all_that_its_action_needs(body: dict[str, Any]) -> None:
    if fault_of(body) is not None:
        return
    used = used_fields(body)
    match Action(body["action"]):
        case Action.POINT_ALIAS | Action.PROMOTE:
            assert set(used) == {"index_suffix", "alias"}
        case Action.UPDATE_INDEX:
            assert set(used) == {"index_suffix", "since_date"}
        case Action.DELETE_INDEX:
            assert len({"index_suffix", "alias"} & set(used)) == 1
    if wrong_name(body) is None:
        for name, value in used.items():
            if name == "alias" or name.endswith("_suffix"):
                assert set(value) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-"), "no other names"
                assert 1 <= len(f"{body['model']}-{value}" if name != "alias" else value) <= 64


@pytest.mark.parametrize("action", [Action.REINDEX, Action.INGEST_UPSTREAM])
@pytest.mark.parametrize("suffix", ["1-filtered", "filtered", "-filtered"])
def test_only_a_filtered_index_is_called_so(action: Action, suffix: str) -> None:
    """`image-filtered` is what clients read as filtered: no index of all records may have that name either."""
    wrong = wrong_name({"model": "image", "action": action, "index_suffix": suffix})
    assert wrong is not None
    assert "CREATE_AND_POPULATE_FILTERED_INDEX" in wrong.detail
    assert wrong_name({"model": "image", "action": action, "index_suffix": "unfiltered"}) is None
