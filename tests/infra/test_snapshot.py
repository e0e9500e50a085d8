"""The whole template, as it was last looked at: nothing about what is deployed changes unseen."""

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.infra.conftest import Synthesized

SNAPSHOT = Path(__file__).parent / "template.snapshot.json"
UPDATE = "SHOAL_UPDATE_SNAPSHOT"


def test_the_template_is_the_one_that_was_looked_at(synthesized: Synthesized) -> None:
    text = json.dumps(masked(synthesized.template), indent=2, sort_keys=True) + "\n"
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text(), (
        f"the template changed; if that is meant, run {UPDATE}=1 pytest {Path(__file__).name} and look at the diff"
    )


def masked(template: Any) -> Any:
    """The template without the hashes of what is in folders."""
    return json.loads(re.sub(r"\b[0-9a-f]{64}\b", "HASH", json.dumps(template)))
