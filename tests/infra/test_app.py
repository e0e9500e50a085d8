"""The app as a program: what it says when it cannot, and that running tests does not change what is deployed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import FileSystem, IgnoreMode

from infra.components.layers import NO_BYTECODE, LayersNotBuilt, built_layer
from infra.node import choose_node

ROOT = Path(__file__).resolve().parents[2]


def run_app(folder: Path, **context: str) -> subprocess.CompletedProcess[str]:
    """Run it without credentials, a region or a home to find some in."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return subprocess.run(
        [sys.executable, "infra/app.py"],
        cwd=ROOT,
        env={
            **environment,
            "HOME": str(folder),
            "CDK_OUTDIR": str(folder / "out"),
            "CDK_CONTEXT_JSON": json.dumps({f"shoal:{name}": value for name, value in context.items()}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_it_synthesizes_where_it_is_told(tmp_path: Path) -> None:
    done = run_app(tmp_path, layers="placeholder", architecture="x86_64")
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "out" / "Shoal.template.json").read_text())
    functions = [item for item in template["Resources"].values() if item["Type"] == "AWS::Lambda::Function"]
    assert {function["Properties"]["Architectures"][0] for function in functions} == {"x86_64"}


@pytest.mark.slow
def test_it_says_which_setting_does_not_exist(tmp_path: Path) -> None:
    done = run_app(tmp_path, memory="1024")
    assert done.returncode == 1
    assert done.stderr.startswith("shoal: shoal:memory is not a setting; there are: ")


def test_a_layer_that_is_not_built_is_named_with_what_to_do() -> None:
    with pytest.raises(LayersNotBuilt, match="the layer engine is not built for sparc; run: make layers"):
        built_layer("engine", "sparc")


def test_byte_code_does_not_change_what_is_deployed(tmp_path: Path) -> None:
    source = tmp_path / "python" / "shoal"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("answer = 42\n")

    def fingerprint() -> str:
        return FileSystem.fingerprint(str(tmp_path), exclude=NO_BYTECODE, ignore_mode=IgnoreMode.GLOB)

    before = fingerprint()
    for folder in (source, tmp_path):
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "x.cpython-313.pyc").write_bytes(b"code")
    (source / "old.pyc").write_bytes(b"code")
    assert fingerprint() == before
    (source / "__init__.py").write_text("answer = 43\n")
    assert fingerprint() != before


def test_the_bundled_node_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JSII_NODE", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    choose_node()
    version = subprocess.run(
        [os.environ["JSII_NODE"], "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("v24.")
