"""Imports point one way, and ruff refuses the others: every rule is broken once in a copy of the tree."""

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "layers/shoal/python/shoal"
ADAPTERS = [f"shoal.storage.{path.stem}" for path in sorted((ROOT / PACKAGE / "storage").glob("aws_*.py"))]
NOT_FOR_USE_CASES = [*ADAPTERS, "shoal.storage.memory"]
AWS = ["boto3", "botocore.exceptions"]
NOT_MODEL = sorted(
    f"shoal.{path.stem}"
    for path in (ROOT / PACKAGE).iterdir()
    if path.stem not in {"model", "errors", "__init__", "__pycache__"} and path.suffix in {"", ".py"}
)


@dataclass(frozen=True, slots=True)
class Folder:
    """What one folder must not import, and what it must be free to."""

    path: str
    refused: list[str]
    allowed: list[str]


FOLDERS = [
    Folder(
        f"{PACKAGE}",
        [*AWS, "shoal.services", "shoal.http", "functions", "infra"],
        ["shoal.storage.aws_table", "shoal.errors"],
    ),
    Folder(f"{PACKAGE}/model", [*AWS, *NOT_MODEL, "functions", "infra"], ["shoal.errors", "shoal.model.ids"]),
    Folder(
        f"{PACKAGE}/index",
        [
            *AWS,
            "shoal.storage.ports",
            "shoal.services",
            "shoal.http",
            "shoal.embedding",
            "functions",
            "infra",
        ],
        ["shoal.model", "shoal.errors", "numpy"],
    ),
    Folder(
        f"{PACKAGE}/storage",
        ["shoal.index", "shoal.services", "shoal.http", "shoal.embedding", "functions", "infra"],
        ["botocore.exceptions", "shoal.errors", "shoal.storage.keys"],
    ),
    Folder(
        f"{PACKAGE}/services",
        [*AWS, *NOT_FOR_USE_CASES, "shoal.http", "functions", "infra"],
        ["shoal.index", "shoal.model", "shoal.storage.ports", "shoal.storage.keys", "shoal.services.log"],
    ),
    Folder(
        f"{PACKAGE}/embedding",
        [*AWS, *NOT_FOR_USE_CASES, "shoal.services", "shoal.http", "functions", "infra"],
        ["shoal.errors", "shoal.model", "numpy"],
    ),
    Folder(
        f"{PACKAGE}/outbound",
        [
            *AWS,
            *NOT_FOR_USE_CASES,
            "shoal.storage.ports",
            "shoal.storage.keys",
            "shoal.model",
            "shoal.index",
            "shoal.services",
            "shoal.http",
            "urllib.request",
            "functions",
            "infra",
        ],
        ["shoal.errors", "shoal.storage.model_ports", "http.client", "urllib.parse"],
    ),
    Folder(
        f"{PACKAGE}/http",
        [*AWS, *NOT_FOR_USE_CASES, "functions", "infra"],
        ["shoal.services", "shoal.model", "shoal.storage.ports"],
    ),
    Folder("functions", [*AWS, "infra"], ["shoal.http", "shoal.services", "shoal.runtime"]),
    Folder(
        "infra", ["functions.api.handler"], ["boto3", "botocore", "shoal.services", "shoal.storage.aws_table"]
    ),
    Folder("infra/cli", ["functions.api.handler"], ["boto3", "shoal.services", "infra.local"]),
    Folder("tests/unit", [], ["boto3", "infra", "functions", "shoal.http", "shoal.storage.memory"]),
]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, int]]:
    """What ruff finds in the copy: (file, code, line). One run for all, because starting ruff is what costs."""
    tree = tmp_path_factory.mktemp("tree")
    for config in [ROOT / "pyproject.toml", *configs()]:
        copy = tree / config.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(config.read_text())
    for folder in FOLDERS:
        (tree / folder.path).mkdir(parents=True, exist_ok=True)
        (tree / folder.path / "planted.py").write_text(planted(folder))
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID",
        "--output-format",
        "json",
        ".",
    ]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return {
        (str(Path(found["filename"]).relative_to(tree.resolve())), found["code"], found["location"]["row"])
        for found in json.loads(done.stdout)
    }


def planted(folder: Folder) -> str:
    """A module with a relative import in line 1, and then one import a line."""
    names = everything_banned(folder) + folder.allowed
    return "from . import sibling\n" + "".join(f"import {name}\n" for name in names)


def everything_banned(folder: Folder) -> list[str]:
    """What this test demands and what the folder's own configuration says."""
    config = ROOT / folder.path / "ruff.toml"
    while not config.exists() and config.parent != ROOT:
        config = config.parent.parent / "ruff.toml"
    if config.exists():
        settings = tomllib.loads(config.read_text())["lint"]
    else:
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    return sorted({*folder.refused, *settings["flake8-tidy-imports"]["banned-api"]})


def configs() -> list[Path]:
    """The configurations of the folders."""
    tops = [ROOT / name for name in ("layers/shoal", "functions", "infra", "tests")]
    return sorted(path for top in tops for path in top.rglob("ruff.toml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.path)
def test_ruff_refuses_what_points_the_wrong_way(folder: Folder, findings: set[tuple[str, str, int]]) -> None:
    name = f"{folder.path}/planted.py"
    banned = everything_banned(folder)
    refused = {line for file, code, line in findings if file == name and code == "TID251"}
    assert refused == set(range(2, 2 + len(banned))), [*banned, *folder.allowed]
    assert (name, "TID252", 1) in findings, "relative imports"


def test_every_configuration_is_tried() -> None:
    tried = {"tests" if folder.path == "tests/unit" else folder.path for folder in FOLDERS}
    assert {str(path.parent.relative_to(ROOT)) for path in configs()} <= tried
