"""How layers are built, as far as that can be seen without building one."""

import struct
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest
from elftools.elf.elffile import ELFFile

from infra.components.functions import SPECS
from infra.components.layers import VENDOR_LAYERS
from layers.vendor.build import host_architecture, main
from layers.vendor.hnswlib_object import copy_headers, find_configuration, refuse_avx512
from layers.vendor.lockfiles import PROJECT_REQUIREMENTS, cut, read_pins
from layers.vendor.recipes import ARCHITECTURES, LAYERS, LOCKED, REQUIREMENTS
from layers.vendor.symbols import without_symbols
from layers.vendor.tools import BuildFailed, run
from layers.vendor.trim import add_byte_code, trim


@pytest.mark.parametrize("name", LOCKED)
def test_what_is_tested_is_what_is_deployed(name: str) -> None:
    pins = read_pins(PROJECT_REQUIREMENTS.read_text())
    locked = (REQUIREMENTS / f"{name}.txt").read_text()
    assert locked == cut(pins, LOCKED[name]), "run: .venv/bin/python layers/vendor/build.py --lock"
    assert locked.count("==") == len(LOCKED[name])


@pytest.mark.parametrize("file", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda file: file.name)
def test_every_pin_has_a_hash_and_no_address(file: Path) -> None:
    text = file.read_text()
    assert "://" not in text
    assert "--index" not in text
    for name, pin in read_pins(text).items():
        assert "--hash=sha256:" in pin, name


def test_a_marker_of_laptops_is_left_out() -> None:
    pins = read_pins(
        "a==1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:11\n"
    )
    assert cut(pins, ["a"]) == "a==1 \\\n    --hash=sha256:00\n"


def test_the_layers_of_the_stack_are_built() -> None:
    assert set(VENDOR_LAYERS) <= set(LAYERS)
    assert {layer for spec in SPECS for layer in spec.layers} <= {"shoal", *VENDOR_LAYERS}


@pytest.mark.parametrize(
    "line",
    [
        "\tvfmadd231ps\t(%rax), %zmm1, %zmm0",
        "\tvaddps\t%ymm16, %ymm0, %ymm0",
        "\tvmovaps\t%xmm31, (%rsp)",
        "\tvcmpltps\t%ymm1, %ymm0, %k1",
    ],
)
def test_code_for_newer_processors_is_refused(line: str) -> None:
    with pytest.raises(BuildFailed, match="AVX-512"):
        refuse_avx512(f"\tpushq\t%rbp\n{line}\n\tretq\n")


def test_code_for_every_processor_of_lambda_passes() -> None:
    refuse_avx512("\tvfmadd231ps\t(%rax), %ymm1, %ymm15\n\tvmovaps\t%xmm0, (%rsp)\n\tmovl\t$16, %ecx\n")


def test_headers_are_those_of_this_python(tmp_path: Path) -> None:
    headers = copy_headers(tmp_path / "python")
    assert (headers / "Python.h").is_file()
    assert "#define SIZEOF_VOID_P 8" in (headers / "pyconfig.h").read_text()


def test_debian_keeps_the_real_configuration_elsewhere(tmp_path: Path) -> None:
    headers = tmp_path / "include" / "python3.13"
    headers.mkdir(parents=True)
    assert find_configuration(headers, "x86_64-linux-gnu") == headers / "pyconfig.h"
    real = tmp_path / "include" / "x86_64-linux-gnu" / "python3.13" / "pyconfig.h"
    real.parent.mkdir(parents=True)
    real.write_text("#define SIZEOF_VOID_P 8")
    assert find_configuration(headers, "x86_64-linux-gnu") == real


def test_what_no_function_reads_is_left_out(tmp_path: Path) -> None:
    kept = [
        "a/__init__.py",
        "a/core.so",
        "a/data.json",
        "a-1.dist-info/METADATA",
        "a-1.dist-info/licenses/LICENSE",
    ]
    dropped = [
        *("a/tests/test_a.py", "a/__init__.pyi", "a/py.typed", "a/include/a.h", "a/libx.a", "bin/a", ".lock"),
        *("a-1.dist-info/RECORD", "a-1.dist-info/WHEEL", "a/__pycache__/__init__.cpython-312.pyc"),
    ]
    for name in kept + dropped:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    trim(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_what_no_function_reads_of_one_package_is_left_out(tmp_path: Path) -> None:
    for name in ("a/kept.py", "a/dropped.py", "a/folder/b.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    trim(tmp_path, ("a/drop*", "a/folder"))
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "kept.py"]


def test_a_package_that_has_changed_is_looked_at_again(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="has the package changed"):
        trim(tmp_path, ("a/*",))


def object_with_symbols() -> bytes:
    """An object as a linker makes it: pyarrow ships its own with their symbols."""
    files = sorted(Path(pa.__file__).parent.glob("_feather.*.so"))
    return files[0].read_bytes()


def test_symbols_are_dropped_and_nothing_that_is_loaded(tmp_path: Path) -> None:
    before = object_with_symbols()
    path = tmp_path / "a.so.1.2"
    path.write_bytes(before)
    trim(tmp_path)
    after = path.read_bytes()
    assert len(after) < len(before)
    old, new = ELFFile(BytesIO(before)), ELFFile(BytesIO(after))
    assert [section.name for section in new.iter_sections()] == [
        section.name for section in old.iter_sections() if section.name not in (".symtab", ".strtab")
    ]
    for section in new.iter_sections():
        was = old.get_section_by_name(section.name)
        assert was is not None
        assert section.name == ".shstrtab" or (section.header, section.data()) == (was.header, was.data())
    for segment in old.iter_segments():
        start, stop = segment["p_offset"], segment["p_offset"] + segment["p_filesz"]
        # The first segment begins with the header, which says where the table of sections is.
        begin = max(start, 64)
        assert before[begin:stop] == after[begin:stop]
    assert without_symbols(after) is None


@pytest.mark.parametrize(
    "data", [b"", b"GROUP ( libc.so.6 )", b"\x7fELF\x01\x01" + bytes(60)], ids=["empty", "text", "32 bits"]
)
def test_what_is_no_object_of_lambda_stays_as_it_is(data: bytes) -> None:
    assert without_symbols(data) is None


def test_an_object_of_another_layout_stays_as_it_is() -> None:
    """patchelf puts what it lets grow behind the symbols, and the loader reads it from there."""
    data = bytearray(object_with_symbols())
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    first_loaded = table + 64
    symbols = table + (count - 3) * 64
    data[first_loaded + 24 : first_loaded + 32] = struct.pack(
        "<Q", struct.unpack_from("<Q", data, symbols + 24)[0] + 64
    )
    assert without_symbols(bytes(data)) is None


def test_byte_code_is_not_checked_and_names_the_place_on_lambda(tmp_path: Path) -> None:
    module = tmp_path / "python" / "a.py"
    module.parent.mkdir()
    module.write_text("def f():\n    return 1\n")
    add_byte_code(module.parent)
    code = (module.parent / "__pycache__" / "a.cpython-313.pyc").read_bytes()
    unchecked_hash = (1).to_bytes(4, "little")
    assert code[4:8] == unchecked_hash
    assert b"/opt/python/a.py" in code
    assert str(tmp_path).encode() not in code


def test_a_module_that_does_not_compile_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(:\n")
    with pytest.raises(BuildFailed, match="SyntaxError"):
        add_byte_code(tmp_path)


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(BuildFailed, match="no such thing"):
        run(["sh", "-c", "echo no such thing; exit 3"])


def test_this_machine_has_a_processor_of_lambda() -> None:
    assert host_architecture() in ARCHITECTURES


def test_an_unknown_layer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--layer", "orc"])
    assert "invalid choice: 'orc'" in capsys.readouterr().err
