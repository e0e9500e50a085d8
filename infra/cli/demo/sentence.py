"""One sentence of our own: written, found, deleted, gone; with the times."""

import time

from infra.cli.client import ShoalClient
from infra.cli.demo.corpus import DATASET
from infra.cli.demo.steps import Steps
from infra.cli.embedder import embed_texts
from infra.cli.failures import ApiError
from infra.cli.results import Record

RECORD_ID = "demo/my sentence"
SENTENCE = "water the tomatoes on the balcony when the soil is dry"
QUESTION = "my tomato plants need watering"
_PATIENCE_SECONDS = 60.0


def write_find_delete(client: ShoalClient, steps: Steps) -> None:
    """Upsert the sentence, find it by other words, delete it, and see it gone."""
    sentence, question = embed_texts([SENTENCE, QUESTION]).tolist()
    steps.begin(f'writing one sentence: "{SENTENCE}"')
    rows = client.get_dataset(DATASET).row_count
    began = time.perf_counter()
    client.upsert(DATASET, [Record(RECORD_ID, sentence, {"service": "demo", "operation": SENTENCE})])
    acknowledged = time.perf_counter() - began
    found = _until(client, question, there=True)
    seconds = time.perf_counter() - began
    steps.check(
        f'found by "{QUESTION}"',
        found,
        f"acknowledged after {acknowledged * 1000:.0f} ms, first answer after {seconds * 1000:.0f} ms",
    )
    began = time.perf_counter()
    client.delete(DATASET, RECORD_ID)
    gone = _until(client, question, there=False)
    seconds = time.perf_counter() - began
    steps.check("deleted, and gone from the answers", gone, f"after {seconds * 1000:.0f} ms")
    steps.check("gone for a read by id, too", not _readable(client), "404 not_found")
    after = client.get_dataset(DATASET).row_count
    steps.check("the count is what it was", after == rows, f"{after:,} rows")


def _until(client: ShoalClient, vector: list[float], *, there: bool) -> bool:
    """Whether the sentence became the first answer, or no answer, in time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        ids = [match.id for match in client.query(DATASET, vector, top_k=10).matches]
        if (ids[:1] == [RECORD_ID]) if there else (RECORD_ID not in ids):
            return True
        time.sleep(0.03)
    return False


def _readable(client: ShoalClient) -> bool:
    try:
        client.get(DATASET, RECORD_ID)
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True
