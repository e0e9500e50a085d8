"""The code block of Cloudflare's page about upserts, run with curl against the local stack."""

import json
import shutil
import time
import uuid
from pathlib import Path

import httpx
import pytest

from infra.local.info import StackInfo
from tests.compat.reader import PATIENCE_SECONDS, Reader

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parent / "vectorize"
HOST = "https://api.cloudflare.com"


@pytest.fixture
def page(local_stack: StackInfo, folder: Path) -> Reader:
    for file in PAGE.iterdir():
        shutil.copy(file, folder)
    assert local_stack.api_key is not None
    assert local_stack.tenant_id is not None
    variables = {
        "ACCOUNT_ID": local_stack.tenant_id.removeprefix("ten_"),
        "INDEX_NAME": f"page-{uuid.uuid4().hex[:8]}",
        "CLOUDFLARE_API_TOKEN": local_stack.api_key,
    }
    learned = {"/path/to/body": str(folder / "vectors.ndjson")}
    return Reader(folder, local_stack.api_url, local_stack.api_key, HOST, learned, variables)


def test_the_block_as_it_stands(page: Reader) -> None:
    account, name = page.variables["ACCOUNT_ID"], page.variables["INDEX_NAME"]
    client = httpx.Client(
        base_url=f"{page.api_url}/client/v4/accounts/{account}/vectorize/v2",
        headers={"authorization": f"Bearer {page.api_key}"},
        trust_env=False,
        timeout=40.0,
    )
    expected = json.loads((PAGE / "upsert.200.json").read_text())
    with client:
        config = {"dimensions": 32, "metric": "cosine"}
        assert client.post("/indexes", json={"name": name, "config": config}).status_code == 200
        try:
            lines = [json.dumps({"id": f"v{number}", "values": [1.0] * 32}) for number in range(3)]
            (page.folder / "vectors.ndjson").write_text("\n".join(lines))
            answer = page.run("upsert")
            assert answer.status == 200
            assert answer.json.keys() == expected.keys()
            assert (answer.json["success"], answer.json["errors"], answer.json["messages"]) == (True, [], [])
            mutation = answer.json["result"]["mutationId"]
            assert answer.json["result"].keys() == expected["result"].keys()
            assert str(uuid.UUID(mutation)) == mutation
            until = time.monotonic() + PATIENCE_SECONDS
            while (info := client.get(f"/indexes/{name}/info").json()["result"])[
                "processedUpToMutation"
            ] != mutation:
                assert time.monotonic() < until
                time.sleep(0.05)
            assert info["vectorCount"] == 3

            # A line that is none: the members of `errors` have the fields that the page shows.
            (page.folder / "vectors.ndjson").write_text("nonsense")
            refused = page.run("upsert")
            assert refused.status == 400
            (error,) = refused.json["errors"]
            assert error.keys() <= expected["errors"][0].keys()
            assert error["code"] == 40023
        finally:
            client.delete(f"/indexes/{name}")
