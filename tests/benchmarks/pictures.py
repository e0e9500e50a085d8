"""Curves as PNG files beside RESULTS.md, drawn in the peers' environment."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from infra.local.paths import ROOT

FOLDER = Path(__file__).parent


def draw(
    python: Path,
    name: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str,
    x: str,
    y: str,
    x_scale: Literal["linear", "log"] = "linear",
    line: float | None = None,
) -> Path:
    """Draw a PNG.

    Args:
        python: the interpreter of `environment.peers_python`.
        name: of the file, without its ending.
        curves: points by the name of their curve, from left to right.
        title: over the picture.
        x: under the axis to the right.
        y: beside the axis upwards.
        x_scale: of the axis to the right.
        line: a value of y to draw a line at.
    """
    picture = FOLDER / f"{name}.png"
    given = {"curves": curves, "title": title, "x": x, "y": y, "x_scale": x_scale, "line": line}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(given, file)
        file.flush()
        command: list[str | Path] = [python, "-m", "tests.benchmarks.peers.plot", file.name, picture]
        subprocess.run(command, check=True, cwd=ROOT, timeout=120)
    return picture
