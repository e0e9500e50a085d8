"""Build the vendor layers: pinned wheels and our own hnswlib, trimmed, with byte code, for each processor.

A layer whose inputs have not changed is left alone. The same inputs give the same bytes.
"""

import argparse
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from layers.vendor.hnswlib_object import add_hnswlib
from layers.vendor.lockfiles import write_lockfiles
from layers.vendor.recipes import ARCHITECTURES, BUILD, LAYERS, PYTHON, REQUIREMENTS, Architecture, Layer
from layers.vendor.stamp import inputs_digest, is_current, layer_folder, stamp_file
from layers.vendor.tools import BuildFailed, install_wheels, say
from layers.vendor.trim import add_byte_code, trim

STATIC_MODEL = {
    "wordllama/weights/l2_supercat_256.safetensors": "weights.safetensors",
    "wordllama/tokenizers/l2_supercat_tokenizer_config.json": "tokenizer.json",
}
"""The files of the static model in the package that publishes them, and their names with us."""


def main(arguments: list[str] | None = None) -> int:
    """Build what was asked for; 0 if all of it is there afterwards."""
    options = _parse(arguments)
    if options.lock:
        write_lockfiles()
        say(f"wrote the requirement files in {REQUIREMENTS}")
        return 0
    try:
        require_python()
        for architecture in options.arch:
            for layer in options.layer:
                build(LAYERS[layer], ARCHITECTURES[architecture], again=options.again)
    except BuildFailed as error:
        say(str(error))
        return 1
    return 0


def require_python() -> None:
    """Byte code and headers are those of the Python that builds: it has to be Lambda's.

    Raises:
        BuildFailed: this is another.
    """
    if sys.version_info[:2] != PYTHON:
        wanted, running = (".".join(map(str, version)) for version in (PYTHON, sys.version_info[:2]))
        raise BuildFailed(f"layers are built by Python {wanted}, the functions' own; this is {running}")


def host_architecture() -> str:
    """Lambda's word for the processor of this machine, which is what the local stack needs."""
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())


def build(layer: Layer, architecture: Architecture, *, again: bool = False) -> None:
    """Build one layer, unless it is built already from the same inputs.

    Raises:
        BuildFailed: it could not be built; what was there before stays.
    """
    target = layer_folder(layer.name, architecture.name)
    if not again and is_current(layer.name, architecture.name):
        say(f"{architecture.name}/{layer.name}: up to date")
        return
    say(f"{architecture.name}/{layer.name}: installing {', '.join(layer.wheels)}")
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="work-") as workspace:
        made = make(layer, architecture, Path(workspace))
        stamp = stamp_file(layer.name, architecture.name)
        stamp.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        made.rename(target)
        stamp.write_text(inputs_digest(layer.name, architecture.name))
    say(f"{architecture.name}/{layer.name}: {_megabytes(target):.1f} MB")


def make(layer: Layer, architecture: Architecture, workspace: Path) -> Path:
    """Make a layer from nothing; the folder that is the layer."""
    made = workspace / "layer"
    contents = made / "python"
    install_wheels(REQUIREMENTS / f"{layer.name}.txt", contents, architecture)
    if layer.has_hnswlib:
        add_hnswlib(contents, architecture, workspace)
    if layer.has_static_model:
        _add_static_model(contents / "shoal_static_model", workspace)
    trim(contents, layer.unread)
    add_byte_code(contents)
    return made


def _add_static_model(target: Path, workspace: Path) -> None:
    """Take the weights and the tokenizer out of the package that publishes them; its code stays behind."""
    package = workspace / "model"
    # The files are the same for every processor; the wheel is not, and x86_64 always has one.
    install_wheels(REQUIREMENTS / "static_model.txt", package, ARCHITECTURES["x86_64"])
    target.mkdir()
    for source, name in STATIC_MODEL.items():
        shutil.copyfile(package / source, target / name)
    for licence in package.glob("wordllama-*.dist-info/**/LICENSE*"):
        shutil.copyfile(licence, target / "LICENSE")


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="layers/vendor/build.py", description=__doc__)
    parser.add_argument(
        "--arch",
        nargs="+",
        choices=[*ARCHITECTURES, "host"],
        default=list(ARCHITECTURES),
        help="processors to build for; host is this machine's (default: all of Lambda's)",
    )
    parser.add_argument(
        "--layer",
        nargs="+",
        choices=list(LAYERS),
        default=list(LAYERS),
        help="layers to build (default: all)",
    )
    parser.add_argument("--again", action="store_true", help="build even what is up to date")
    parser.add_argument(
        "--lock",
        action="store_true",
        help="write the layers' requirement files from requirements.txt, and end",
    )
    options = parser.parse_args(arguments)
    options.arch = [host_architecture() if name == "host" else name for name in options.arch]
    for name in options.arch:
        if name not in ARCHITECTURES:
            parser.error(f"Lambda has no processor like this machine's ({name})")
    return options


if __name__ == "__main__":
    sys.exit(main())
