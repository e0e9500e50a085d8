"""Layers: our package as its plain folder, and the vendor layers that `make layers` built for one processor."""

from pathlib import Path

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.settings import Settings
from layers.vendor.recipes import REQUIREMENTS
from layers.vendor.stamp import is_current, layer_folder

ROOT = Path(__file__).resolve().parents[2]
NO_BYTECODE = ["**/__pycache__", "**/*.pyc"]
"""What running the tests leaves behind must not change what is deployed."""

VENDOR_LAYERS = ("api", "engine", "parquet", "embed")
"""The vendor layers that some function uses."""


class LayersNotBuilt(Exception):
    """A vendor layer is missing or out of date; the message says how to build it."""


class Layers(Construct):
    """The layers by name: `shoal`, and each of `VENDOR_LAYERS`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        placeholder: bool,
    ) -> None:
        """`placeholder` deploys nothing useful: it lets template tests run before the layers are built."""
        super().__init__(scope, construct_id)
        architecture = settings.architecture
        folders = {"shoal": ROOT / "layers" / "shoal"}
        for name in VENDOR_LAYERS:
            # Any folder stands in for an unbuilt one; the lists of what would be in it are at hand.
            folders[name] = REQUIREMENTS if placeholder else built_layer(name, architecture)
        self._layers = {
            name: self._make_layer(name, folder, architecture) for name, folder in folders.items()
        }

    def __getitem__(self, name: str) -> lambda_.LayerVersion:
        return self._layers[name]

    def _make_layer(self, name: str, folder: Path, architecture: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name.capitalize(),
            code=lambda_.Code.from_asset(str(folder), exclude=NO_BYTECODE if name == "shoal" else None),
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
            compatible_architectures=[lambda_.Architecture.custom(architecture)],
            description=f"shoal: the layer {name} for {architecture}",
        )


def built_layer(name: str, architecture: str) -> Path:
    """The folder of a built vendor layer.

    Raises:
        LayersNotBuilt: there is none, or it was built from other inputs.
    """
    if not is_current(name, architecture):
        state = "out of date" if layer_folder(name, architecture).is_dir() else "not built"
        raise LayersNotBuilt(
            f"the layer {name} is {state} for {architecture}; run: make layers"
            f" (or .venv/bin/python layers/vendor/build.py --arch {architecture})"
        )
    return layer_folder(name, architecture)
