"""hnswlib for Lambda: its one extension module, compiled here for either processor.

Upstream publishes source only, and that compiles for the machine it is on: such a module dies of an illegal
instruction on an older one. We name the processor, the flags that let sums be vectorized (distances do not mind
the order of additions), and an old glibc, and read the compiler's listing before it becomes the module.
"""

import re
import shutil
import sys
import sysconfig
import tarfile
from pathlib import Path

from layers.vendor.recipes import REQUIREMENTS, Architecture
from layers.vendor.tools import BuildFailed, download_source, install_tools, run, say

FLAGS = (
    *("-std=c++14", "-O3", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-g0", "-w"),
    *("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"),
)

AVX512 = re.compile(r"%zmm\d|%k[0-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b")
"""Registers that only AVX-512 has: wide ones, masks, and the upper half of the narrow ones."""


def add_hnswlib(target: Path, architecture: Architecture, workspace: Path) -> None:
    """Build hnswlib into `target`, with its licence beside it.

    Raises:
        BuildFailed: a tool failed, this Python cannot be built for, or the code needs AVX-512.
    """
    headers = copy_headers(workspace / "python")
    tools = install_tools(workspace / "tools")
    archive = download_source("hnswlib", REQUIREMENTS / "hnswlib.txt", workspace / "source", tools=tools)
    with tarfile.open(archive) as packed:
        packed.extractall(workspace, filter="data")
    source = workspace / archive.name.removesuffix(".tar.gz")

    zig = [
        sys.executable,
        "-m",
        "ziglang",
        "c++",
        "-target",
        architecture.zig_target,
        f"-mcpu={architecture.zig_cpu}",
    ]
    listing = workspace / f"{architecture.name}.s"
    say(f"{architecture.name}/engine: compiling hnswlib")
    includes = [f"-I{path}" for path in ("hnswlib", tools / "pybind11" / "include", headers)]
    version = source.name.removeprefix("hnswlib-")
    # Paths relative to the source: messages in the module must not tell where it was built.
    run(
        [
            *zig,
            *FLAGS,
            f'-DVERSION_INFO="{version}"',
            *includes,
            "-S",
            "python_bindings/bindings.cpp",
            "-o",
            listing,
        ],
        cwd=source,
    )
    refuse_avx512(listing.read_text())
    say(
        f"{architecture.name}/engine: linking hnswlib with its own C++ library (the first time takes a minute)"
    )
    run([*zig, "-O3", "-shared", "-s", listing, "-o", target / f"hnswlib{architecture.extension_suffix}"])

    about = target / f"hnswlib-{version}.dist-info"
    about.mkdir()
    shutil.copyfile(source / "PKG-INFO", about / "METADATA")
    shutil.copyfile(source / "LICENSE", about / "LICENSE")


def refuse_avx512(listing: str) -> None:
    """Make sure that an assembly listing runs on every x86 processor of Lambda.

    The listing is the very text that is assembled into the module, so nothing hides from this.

    Raises:
        BuildFailed: it does not.
    """
    if found := AVX512.search(listing):
        raise BuildFailed(
            f"the compiled hnswlib uses AVX-512 ({found[0]}), which not every processor of Lambda has"
        )


def copy_headers(target: Path) -> Path:
    """Copy the headers of the running Python, with its configuration in the place where every compiler looks.

    One configuration serves both processors: Linux on either is 64 bits wide in the same way.

    Raises:
        BuildFailed: this Python has no headers, or another layout of objects.
    """
    headers = Path(sysconfig.get_path("include"))
    configuration = find_configuration(headers, str(sysconfig.get_config_var("MULTIARCH")))
    if not (headers / "Python.h").is_file() or not configuration.is_file():
        raise BuildFailed(f"no Python headers in {headers}: install them (on Debian, python3-dev)")
    if sysconfig.get_config_var("Py_GIL_DISABLED") or hasattr(sys, "gettotalrefcount"):
        raise BuildFailed(
            "a free-threaded or debugging Python has objects of another layout: use a plain one"
        )
    shutil.copytree(headers, target)
    shutil.copyfile(configuration, target / "pyconfig.h")
    return target


def find_configuration(headers: Path, multiarch: str) -> Path:
    """The `pyconfig.h` that defines something.

    Debian's in the usual place only includes one of a folder named after the compiler's processor, and a machine
    has that folder for its own processor alone.
    """
    debian = headers.parent / multiarch / headers.name / "pyconfig.h"
    return debian if debian.is_file() else headers / "pyconfig.h"
