"""One synthesis for all tests of the template: without built layers, and with cdk-nag looking on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.node import choose_node

choose_node()

type Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Synthesized:
    """The template of the default settings, and what the validation plugins said of it."""

    path: Path
    template: dict[str, Any]
    report: dict[str, Any]

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Resources by logical id."""
        found = {name: item for name, item in self.template["Resources"].items() if item["Type"] == kind}
        assert found, f"the template has no {kind}"
        return found

    def one(self, kind: str) -> Resource:
        """The only resource of its kind."""
        (resource,) = self.of_type(kind).values()
        return resource

    def function(self, name: str) -> Resource:
        """A function by its folder's name."""
        (resource,) = (
            item
            for item in self.of_type("AWS::Lambda::Function").values()
            if item["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == name
        )
        return resource


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """Fails where cdk-nag finds what has no reason in `infra.nag`."""
    from infra.app import STACK, make_app
    from infra.nag import check_with_nag
    from infra.stack import ShoalStack

    folder = tmp_path_factory.mktemp("cdk.out")
    app = make_app({"shoal:layers": "placeholder", "aws:cdk:bundling-stacks": []}, outdir=folder)
    stack = app.node.find_child(STACK)
    assert isinstance(stack, ShoalStack)
    check_with_nag(app, stack)
    app.synth()
    path = folder / f"{STACK}.template.json"
    return Synthesized(
        path=path,
        template=json.loads(path.read_text()),
        report=json.loads((folder / "validation-report.json").read_text()),
    )


@pytest.fixture
def synthesize(tmp_path: Path) -> Any:
    """Make the template of other settings."""
    from infra.app import STACK, make_app

    def make(**settings: Any) -> Synthesized:
        context = {f"shoal:{name}": value for name, value in settings.items()}
        app = make_app(
            {"shoal:layers": "placeholder", "aws:cdk:bundling-stacks": []} | context, outdir=tmp_path
        )
        app.synth()
        path = tmp_path / f"{STACK}.template.json"
        return Synthesized(path=path, template=json.loads(path.read_text()), report={})

    return make
