"""What the stack tells its functions is what they ask for, and what they can read."""

import ast
from pathlib import Path
from typing import Any

import pytest

from infra.components.functions import SPECS
from shoal.settings import Settings as Environment
from tests.infra.conftest import Synthesized

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", [spec.name for spec in SPECS])
def test_a_function_is_told_what_it_asks_for(synthesized: Synthesized, name: str) -> None:
    told = synthesized.function(name)["Properties"]["Environment"]["Variables"]
    needed = {f"SHOAL_{need.upper()}" for need in ("table", *needs_of(name))}
    if name == "outbound":  # it reaches no data
        needed = {"SHOAL_PARAMETER_PREFIX", "SHOAL_OUTBOUND_ALLOW_LOOPBACK"}
        assert "SHOAL_TABLE" not in told
    assert needed <= set(told)


def needs_of(name: str) -> tuple[str, ...]:
    """The constant NEEDS of a handler."""
    for node in ast.parse((ROOT / "functions" / name / "handler.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NEEDS":
            needs: tuple[str, ...] = ast.literal_eval(node.value)
            return needs
    return ()


@pytest.mark.parametrize("name", ["import_plan", "import_validate", "export"])
def test_pyarrow_reserves_no_memory_of_its_own(synthesized: Synthesized, name: str) -> None:
    """Its own allocator maps 1 GiB at once, which a limit on data counts in full whatever is used of it."""
    told = synthesized.function(name)["Properties"]["Environment"]["Variables"]
    assert told["ARROW_DEFAULT_MEMORY_POOL"] == "system"


def test_every_variable_is_one_that_functions_read(synthesize: Any) -> None:
    made = synthesize(
        rate_limit_rps=5, rate_limit_burst=9, vector_quota=100, query_quota=200, docs_enabled=False
    )
    told: dict[str, Any] = {}
    for function in made.of_type("AWS::Lambda::Function").values():
        told |= function["Properties"]["Environment"]["Variables"]
    plain = {name: value if isinstance(value, str) else "a-name" for name, value in told.items()}
    read = Environment.from_env(plain)
    assert (read.rate_limit_rps, read.rate_limit_burst) == (5, 9)
    assert (read.vector_quota, read.query_quota) == (100, 200)
    assert read.docs_enabled is False
    known = {f"SHOAL_{field.upper()}" for field in Environment.model_fields}
    known |= {
        "SHOAL_PARAMETER_PREFIX",
        "SHOAL_OUTBOUND_ALLOW_LOOPBACK",
    }  # those of `outbound`, which has its own
    assert {name for name in told if name.startswith("SHOAL_")} <= known
