"""What each handler imports: counted, because a count is the same on every machine and a time is not."""

import subprocess
import sys

import pytest

# Modules imported for the handler, the standard library's among them. A new one must be worth its place.
CEILINGS = {
    "api": 440,
    "query": 640,
    "indexer": 450,
    "builder": 450,
    "sweep": 320,
    "janitor": 400,
    "compaction": 470,
    "export": 470,
    "import_intake": 270,
    "import_plan": 400,
    "import_validate": 400,
    "import_cells": 440,
    "import_finish": 460,
    "tasks": 480,
    "reindex": 560,
    "derivation": 470,
    "ingestion": 320,
    "content": 640,
    "outbound": 270,
}
HEAVY = {"numpy", "hnswlib", "pyroaring", "boto3", "botocore", "pydantic", "tokenizers", "sqlite3"}
MAY_IMPORT = {
    "api": {"pydantic"},
    "query": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "indexer": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "builder": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "sweep": {"pydantic"},
    "janitor": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "compaction": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "export": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "import_intake": {"pydantic"},
    "import_plan": {"pydantic", "numpy"},
    "import_validate": {"pydantic", "numpy"},
    "import_cells": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "import_finish": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "tasks": {"pydantic", "numpy"},
    "reindex": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "derivation": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "ingestion": {"pydantic"},
    "content": {"pydantic", "numpy", "hnswlib", "pyroaring", "sqlite3"},
    "outbound": {"pydantic"},
}


def imported_by(module: str) -> list[str]:
    """The modules that importing `module` imports, as `-X importtime` lists them."""
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = listed.stderr.splitlines()
    return [line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")][1:]


@pytest.mark.parametrize("function", CEILINGS)
def test_a_handler_imports_little(function: str) -> None:
    names = imported_by(f"functions.{function}.handler")
    assert len(names) <= CEILINGS[function]
    heavy = {name.split(".")[0] for name in names} & HEAVY
    assert heavy <= MAY_IMPORT[function]


def test_importing_needs_no_environment_and_makes_no_log_handler() -> None:
    code = (
        "import logging, os; os.environ.clear()\n"
        "import functions.api.handler, functions.query.handler, functions.indexer.handler\n"
        "import functions.builder.handler, functions.sweep.handler\n"
        "assert not logging.getLogger('shoal').handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
