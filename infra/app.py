"""The CDK app. `python infra/app.py` synthesizes into `cdk.out`, offline; `cdk deploy` runs the same file."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.node import choose_node
from infra.settings import LAYERS, InvalidSettings, Settings

if TYPE_CHECKING:
    from aws_cdk import App

ROOT = Path(__file__).resolve().parents[1]
STACK = "Shoal"


def make_app(context: dict[str, Any] | None = None, *, outdir: Path | None = None) -> "App":
    """The app over the context of `cdk.json`, then `context`, then what the CDK's command line gives.

    Raises:
        InvalidSettings: a setting does not exist or does not fit.
        LayersNotBuilt: a vendor layer is missing.
    """
    choose_node()
    # Node.js starts with the first import of the CDK: it has to be chosen before.
    from aws_cdk import App

    from infra.stack import ShoalStack

    app = App(context=_context_of_file() | (context or {}), outdir=str(outdir) if outdir else None)
    given: dict[str, Any] = app.node.get_all_context()
    ShoalStack(
        app,
        STACK,
        settings=Settings.from_context(given),
        placeholder_layers=given.get(LAYERS) == "placeholder",
    )
    return app


def _context_of_file() -> dict[str, Any]:
    """What the CDK's command line reads from cdk.json, so that a plain `python infra/app.py` gives the same."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


def main() -> None:
    """Synthesize; where to is the command line's choice, or `cdk.out`."""
    choose_node()
    from infra.components.layers import LayersNotBuilt

    try:
        app = make_app(outdir=None if "CDK_OUTDIR" in os.environ else ROOT / "cdk.out")
    except (InvalidSettings, LayersNotBuilt) as error:
        sys.exit(f"shoal: {error}")
    app.synth()


if __name__ == "__main__":
    main()
