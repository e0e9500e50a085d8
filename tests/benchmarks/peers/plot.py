"""Draws curves as a PNG: the first argument is a JSON file of what to draw, the second the picture."""

import json
import sys
from pathlib import Path

import matplotlib as mpl  # type: ignore[import-not-found] # only in the peers' environment

mpl.use("agg")
from matplotlib import pyplot as plt


def main() -> None:
    """Draw."""
    given = json.loads(Path(sys.argv[1]).read_text())
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, points in given["curves"].items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    if given["line"] is not None:
        axes.axhline(given["line"], color="grey", linewidth=0.8, linestyle="--")
    axes.set(title=given["title"], xlabel=given["x"], ylabel=given["y"], xscale=given["x_scale"])
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(sys.argv[2], dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
