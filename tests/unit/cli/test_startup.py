"""What starting the command costs: imports, counted rather than timed."""

import subprocess
import sys

HEAVY = {"boto3", "botocore", "numpy", "httpx", "pydantic", "orjson", "tokenizers", "aws_cdk", "rich.table"}


def test_starting_imports_nothing_heavy() -> None:
    code = "import sys; import infra.cli.main; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
