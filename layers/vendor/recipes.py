"""What goes into each vendor layer, and what the two processors of Lambda are called by whom."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
REQUIREMENTS: Final = FOLDER / "requirements"
BUILD: Final = FOLDER / "build"
"""Built layers: `build/<architecture>/<layer>/python/...`, which is what Lambda unpacks below /opt."""

PYTHON: Final = (3, 13)
"""The Python of the functions: it decides wheels, headers and byte code."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A processor of Lambda, in the words of each tool."""

    name: str
    """Lambda's word for it."""
    wheels: str
    """uv's: manylinux_2_28 is the newest that Amazon Linux 2023 (glibc 2.34) satisfies with room to spare."""
    zig_target: str
    zig_cpu: str
    """The least processor that Lambda gives: AVX2 but no AVX-512 on x86_64, Graviton2 on arm64."""
    extension_suffix: str


ARCHITECTURES: Final = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="x86_64",
            wheels="x86_64-manylinux_2_28",
            zig_target="x86_64-linux-gnu.2.26",
            zig_cpu="x86_64_v3",
            extension_suffix=".cpython-313-x86_64-linux-gnu.so",
        ),
        Architecture(
            name="arm64",
            wheels="aarch64-manylinux_2_28",
            zig_target="aarch64-linux-gnu.2.26",
            zig_cpu="neoverse_n1",
            extension_suffix=".cpython-313-aarch64-linux-gnu.so",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the packages that are installed in it, all of them by name, and what else is done."""

    name: str
    wheels: tuple[str, ...]
    """Each package beside what it needs: nothing is resolved while building, so nothing comes along unseen."""
    has_hnswlib: bool = False
    has_static_model: bool = False
    unread: tuple[str, ...] = ()
    """Patterns of files and folders below the layer's `python` that no function reads."""


UNREAD_OF_PYARROW: Final = tuple(
    f"pyarrow/{pattern}"
    for pattern in (
        # Other formats, file systems and servers; pyarrow takes their absence for a build without them.
        *(
            "*flight*",
            "*s3*",
            "_azurefs*",
            "_gcsfs*",
            "_hdfs*",
            "*orc*",
            "*encryption*",
            "_cuda*",
            "gandiva*",
        ),
        *("_csv*", "_json*", "_feather*", "_acero*", "_dataset*", "_substrait*", "_pyarrow_cpp_tests*"),
        *("acero.py", "csv.py", "cuda.py", "dataset.py", "feather.py", "json.py", "substrait.py"),
        *("benchmark.py", "conftest.py", "jvm.py", "pandas_compat.py", "src", "includes", "interchange"),
        # Copies where others have links. The libraries of acero, datasets and substrait stay: lib.so names them.
        *("libarrow_python.so", "libarrow_python.so.*.*.*"),
    )
)

LAYERS: Final = {
    layer.name: layer
    for layer in (
        Layer(
            "api",
            wheels=(
                "annotated-types",
                "orjson",
                "pydantic",
                "pydantic-core",
                "pysimdjson",
                "typing-extensions",
                "typing-inspection",
            ),
        ),
        Layer("engine", wheels=("numpy", "pyroaring"), has_hnswlib=True),
        Layer("parquet", wheels=("backports-zstd", "pyarrow"), unread=UNREAD_OF_PYARROW),
        Layer("embed", wheels=("tokenizers",), has_static_model=True),
    )
}

LOCKED: Final = {
    **{layer.name: layer.wheels for layer in LAYERS.values()},
    "hnswlib": ("hnswlib",),
    "static_model": ("wordllama",),
}
"""Requirement files that are cut out of the project's own, and the packages in each."""
