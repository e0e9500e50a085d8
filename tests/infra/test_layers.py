"""The built layers: they fit, run on every processor of Lambda, and hold all that the functions import."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from infra.components.functions import SPECS, FunctionSpec
from layers.vendor.build import host_architecture, main, make
from layers.vendor.recipes import ARCHITECTURES, LAYERS
from layers.vendor.stamp import is_current, layer_folder
from layers.vendor.symbols import without_symbols
from layers.vendor.tools import BuildFailed
from shoal.embedding.static import LAYER_FOLDER, LAYER_TOKENIZER, LAYER_WEIGHTS
from tests.infra.imports import PACKAGE, ROOT, third_party_imports

pytestmark = pytest.mark.layers

UNZIPPED_LIMIT = 250_000_000
"""Bytes of code and layers together; Lambda's limit is 250 MB, and we read that in the narrow sense."""

NEWEST_GLIBC = (2, 34)
"""Amazon Linux 2023's, which the Python 3.13 of Lambda runs on."""

PROVIDED = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
"""What Lambda's Python brings along: its SDK, and what that needs."""

HOST = host_architecture()


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture whose layers are built; `make layers` builds both."""
    name = str(request.param)
    if not is_current("engine", name):
        pytest.skip(f"the layers are not built for {name}: make layers")
    return name


def objects(architecture: str) -> Iterator[Path]:
    for layer in LAYERS:
        yield from layer_folder(layer, architecture).rglob("*.so*")


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_code_and_layers_fit(architecture: str, spec: FunctionSpec) -> None:
    total = size(ROOT / "functions" / spec.name) + size(ROOT / "layers" / "shoal")
    total += sum(size(layer_folder(layer, architecture)) for layer in spec.layers if layer != "shoal")
    assert 1_000_000 < total <= UNZIPPED_LIMIT


def test_all_layers_together_fit(architecture: str) -> None:
    assert sum(size(layer_folder(layer, architecture)) for layer in LAYERS) <= UNZIPPED_LIMIT


def test_objects_are_for_this_processor_and_a_glibc_that_is_there(architecture: str) -> None:
    machine = {"x86_64": "EM_X86_64", "arm64": "EM_AARCH64"}[architecture]
    seen = 0
    for path in objects(architecture):
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            assert elf["e_machine"] == machine, path
            for section in elf.iter_sections():
                if not isinstance(section, GNUVerNeedSection):
                    continue
                for _, versions in section.iter_versions():
                    for version in versions:
                        if version.name.startswith("GLIBC_2"):
                            parts = tuple(
                                int(part) for part in version.name.removeprefix("GLIBC_").split(".")
                            )
                            assert parts <= NEWEST_GLIBC, (path, version.name)
        seen += 1
    assert seen > 20


def test_hnswlib_needs_no_library_that_lambda_may_lack(architecture: str) -> None:
    (path,) = layer_folder("engine", architecture).glob("python/hnswlib*.so")
    with path.open("rb") as stream:
        dynamic = ELFFile(stream).get_section_by_name(".dynamic")
        assert isinstance(dynamic, DynamicSection)
        needed = {
            getattr(tag, "needed", None) for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"
        }
    assert needed <= {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-aarch64.so.1"} | {
        "ld-linux-x86-64.so.2"
    }


def test_hnswlib_has_no_avx512() -> None:
    """The build refuses it in the compiler's listing; this looks at the finished module, C++ library included."""
    if not is_current("engine", "x86_64"):
        pytest.skip("the layers are not built for x86_64: make layers")
    objdump = shutil.which("objdump") or shutil.which("llvm-objdump")
    if objdump is None:
        pytest.skip("no objdump to look with; it comes with any C++ compiler")
    (path,) = layer_folder("engine", "x86_64").glob("python/hnswlib*.so")
    code = subprocess.run(
        [objdump, "--disassemble", "--no-show-raw-insn", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "%ymm" in code
    assert "%zmm" not in code


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_imports_are_in_the_layers(architecture: str, spec: FunctionSpec) -> None:
    folders = [layer_folder(layer, architecture) / "python" for layer in spec.layers if layer != "shoal"]
    needed = third_party_imports(ROOT / "functions" / spec.name / "handler.py") - set(PROVIDED)
    assert needed, "the walk found nothing"
    missing = {
        name
        for name in needed
        if not any(list(folder.glob(f"{name}.*")) or (folder / name).is_dir() for folder in folders)
    }
    assert not missing


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with just what Lambda's Python brings along."""
    folder = tmp_path_factory.mktemp("provided")
    for name in PROVIDED:
        module = __import__(name)
        assert module.__file__
        path = Path(module.__file__)
        source = path.parent if path.name == "__init__.py" else path
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_handlers_import_with_nothing_but_their_layers(spec: FunctionSpec, provided: Path) -> None:
    if not is_current("engine", HOST):
        pytest.skip(f"the layers are not built for {HOST}: make layers")
    layers = [layer_folder(layer, HOST) / "python" for layer in spec.layers if layer != "shoal"]
    path = [ROOT / "functions" / spec.name, PACKAGE, *layers, provided]
    lines = [
        f"import sys; sys.path += {[str(entry) for entry in path]!r}",
        "import handler, shoal.storage.aws_clients",
        "assert callable(handler.handler)",
        f"import {', '.join(sorted(third_party_imports(ROOT / 'functions' / spec.name / 'handler.py')))}",
        "files = {module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)}",
        "assert not [file for file in files if '/site-packages/' in file], files",
    ]
    command = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", "\n".join(lines)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_parquet_files_are_read_with_nothing_but_the_layers(provided: Path, tmp_path: Path) -> None:
    """Whatever writers compress with is there, though most of pyarrow is not."""
    if not is_current("parquet", HOST):
        pytest.skip(f"the layers are not built for {HOST}: make layers")
    table = pyarrow.table({"id": ["a", None], "values": [[0.5, 1.5], None], "metadata": [{"a": 1}, None]})
    codecs = ("none", "snappy", "gzip", "brotli", "lz4", "zstd")
    for codec in codecs:
        pyarrow.parquet.write_table(table, tmp_path / codec, compression=codec)
    path = [str(layer_folder(layer, HOST) / "python") for layer in ("api", "engine", "parquet")]
    lines = [
        f"import sys; sys.path += {path!r}",
        "import pyarrow, pyarrow.compute, pyarrow.parquet, simdjson, backports.zstd",
        f"for codec in {codecs!r}:",
        f"    with open({str(tmp_path)!r} + '/' + codec, 'rb') as file:",
        # in this thread, as the import reads: a pool of threads may abort a process that ends right after
        "        source = pyarrow.PythonFile(file, mode='r')",
        "        table = pyarrow.parquet.ParquetFile(source, pre_buffer=False).read(use_threads=False)",
        f"    assert table.to_pylist() == {table.to_pylist()!r}, table",
        "    assert table['values'].combine_chunks().cast(pyarrow.list_(pyarrow.float32())).null_count == 1",
        "files = {module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)}",
        "assert not [file for file in files if '/site-packages/' in file], files",
    ]
    command = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", "\n".join(lines)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_parquet_files_are_written_with_nothing_but_the_layers() -> None:
    """As exports are, and read back."""
    if not is_current("parquet", HOST):
        pytest.skip(f"the layers are not built for {HOST}: make layers")
    path = [PACKAGE, *(layer_folder(layer, HOST) / "python" for layer in ("api", "engine", "parquet"))]
    lines = [
        f"import sys; sys.path += {[str(entry) for entry in path]!r}",
        "import io, numpy, pyarrow, pyarrow.parquet",
        "from shoal.model.records import Rows",
        "from shoal.services.exports.parquet_rows import encode_parquet",
        "vectors = numpy.full((2, 3), 0.1, numpy.float32)",
        "named = (('a', 'b'), numpy.arange(2, dtype=numpy.uint64), vectors, (b'{}', b'{}'))",
        "data = encode_parquet([Rows(*named, namespaces=('', 'n'), documents=(b'', b'text'))])",
        "source = pyarrow.PythonFile(io.BytesIO(data), mode='r')",
        "file = pyarrow.parquet.ParquetFile(source, pre_buffer=False)",
        "codecs = {file.metadata.row_group(0).column(at).compression for at in range(5)}",
        "assert codecs == {'ZSTD', 'UNCOMPRESSED'}, codecs",
        "assert file.read(use_threads=False)['document'].to_pylist() == [None, 'text']",
        "files = {module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)}",
        "assert not [file for file in files if '/site-packages/' in file], files",
    ]
    command = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", "\n".join(lines)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_no_object_brings_what_only_debuggers_read(architecture: str) -> None:
    for path in objects(architecture):
        assert without_symbols(path.read_bytes()) is None, path


def test_the_same_inputs_give_the_same_bytes(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make layers` has left the wheels in uv's cache; where it was emptied since, there is nothing to compare."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    try:
        again = make(LAYERS["api"], ARCHITECTURES[architecture], tmp_path)
    except BuildFailed as failed:
        pytest.skip(f"uv's cache does not hold the wheels: {str(failed)[:200]}")
    assert contents(again) == contents(layer_folder("api", architecture))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_every_module_has_its_byte_code(architecture: str) -> None:
    for layer in LAYERS:
        for module in layer_folder(layer, architecture).rglob("*.py"):
            assert (module.parent / "__pycache__" / f"{module.stem}.cpython-313.pyc").is_file(), module


def test_the_static_model_is_in_its_layer(architecture: str) -> None:
    model = layer_folder("embed", architecture) / "python" / LAYER_FOLDER
    assert {file.name for file in model.iterdir()} == {LAYER_WEIGHTS, LAYER_TOKENIZER, "LICENSE"}


def test_what_is_built_is_left_alone(architecture: str, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    assert main(["--arch", architecture]) == 0
    assert time.monotonic() - started < 1
    assert capsys.readouterr().err.count("up to date") == len(LAYERS)
