"""What can never be handled: a message ends in the dead letters, a write as a failed job. All else goes on."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from infra.local.info import StackInfo
from infra.local.session import LocalSession
from shoal.model.ids import parse_job_id
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports
from tests.e2e.steps import code, done, ids_of, new_dataset, show, store, until, upload

pytestmark = pytest.mark.e2e
QUEUES = {"indexer": "WakeupsQueueUrl", "builder": "BuildsQueueUrl"}


@pytest.fixture
def redelivered_soon(session: LocalSession) -> Iterator[None]:
    """Messages that were given back come again after a second, not after the minutes that a handler may take."""
    queue = session.client("sqs")
    urls = [session.outputs[name] for name in QUEUES.values()]
    found = [queue.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"]) for url in urls]
    for url in urls:
        queue.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    yield
    for url, before in zip(urls, found, strict=True):
        queue.set_queue_attributes(QueueUrl=url, Attributes=before["Attributes"])


@pytest.mark.usefixtures("redelivered_soon")
def test_poison_ends_in_the_dead_letters_and_holds_up_nobody(
    api: httpx.Client, session: LocalSession
) -> None:
    queue = session.client("sqs")
    token = secrets.token_hex(8)
    poison = {
        f"no json {token}": "indexer",
        json.dumps({"dataset_id": token}): "builder",
        json.dumps({"tenant_id": f"ten_{token}/../x", "dataset_id": "0" * 16}): "indexer",
    }
    for body, function in poison.items():
        url = session.outputs[QUEUES[function]]
        queue.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=token)
    dataset = new_dataset(api, 1)
    store(api, dataset, {"id": "a", "values": [1]})
    assert show(api, dataset)["status"] == "indexed"

    dead: list[str] = []

    def all_of_them() -> list[str] | None:
        url = session.outputs["DeadLettersQueueUrl"]
        for message in queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            dead.append(message["Body"])
        ours = [body for body in dead if body in poison]
        return ours if len(ours) == len(poison) else None

    assert set(until(all_of_them, pause=0.2)) == set(poison)


def test_a_message_for_a_dataset_that_is_gone_is_done(session: LocalSession, local_stack: StackInfo) -> None:
    """It may have been deleted since: nothing is wrong, and nothing comes again."""
    queue, url = session.client("sqs"), session.outputs["WakeupsQueueUrl"]
    body = {"tenant_id": local_stack.tenant_id, "dataset_id": secrets.token_hex(8)}
    queue.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def empty() -> bool | None:
        counts = queue.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
        return set(counts.values()) == {"0"} or None

    until(empty)


def spoil(ports: Ports, session: LocalSession, tenant_id: str, job_id: str, *, remove: bool) -> None:
    """Change the last byte of a write's data, or take all of it away."""
    place = parse_job_id(job_id)
    assert place is not None
    item = ports.table.get(DatasetKeys(tenant_id, place[0]).job(place[1]))
    assert item is not None
    objects, bucket = session.client("s3"), session.outputs["BucketName"]
    if remove:
        objects.delete_object(Bucket=bucket, Key=item["log_key"])
        return
    with objects.get_object(Bucket=bucket, Key=item["log_key"])["Body"] as stream:
        data = stream.read()
    objects.put_object(Bucket=bucket, Key=item["log_key"], Body=data[:-1] + bytes([data[-1] ^ 1]))


@contextmanager
def indexer_asleep(session: LocalSession) -> Iterator[None]:
    """Writes wait in the log and their messages in the queue."""
    lambda_ = session.client("lambda")
    mappings = lambda_.list_event_source_mappings()["EventSourceMappings"]
    wakeups = session.outputs["WakeupsQueueUrl"].rsplit("/", 1)[-1]
    poller = next(each["UUID"] for each in mappings if each["EventSourceArn"].endswith(wakeups))
    lambda_.update_event_source_mapping(UUID=poller, Enabled=False)
    try:
        yield
    finally:
        lambda_.update_event_source_mapping(UUID=poller, Enabled=True)


@pytest.mark.parametrize("remove", [False, True], ids=["a byte changed", "the object gone"])
def test_a_write_that_is_spoilt_fails_alone(
    api: httpx.Client, ports: Ports, session: LocalSession, local_stack: StackInfo, remove: bool
) -> None:
    name = new_dataset(api, 1)
    with indexer_asleep(session):
        jobs = [upload(api, name, {"id": each, "values": [1]})["job_id"] for each in ("a", "b", "c")]
        assert show(api, name)["status"] == "validating"
        assert api.get(f"/v1/query/status/{jobs[0]}").json() == {"ready": False}
        spoil(ports, session, local_stack.tenant_id or "", jobs[1], remove=remove)
    statuses = [done(api, job)["status"] for job in jobs]
    assert statuses == ["indexed", "failed", "indexed"]
    assert api.get(f"/v1/jobs/{jobs[1]}").json()["error_message"]
    broken = show(api, name)
    assert (broken["status"], broken["row_count"]) == ("error", 2)
    assert jobs[1] in broken["error_message"]
    query = {"dataset": name, "vector": [1]}
    assert sorted(ids_of(api.post("/v1/query", json=query))) == ["a", "c"]

    store(api, name, {"id": "b", "values": [1]})
    mended = show(api, name)
    assert (mended["status"], mended["row_count"], mended["error_message"]) == ("indexed", 3, None)
    assert api.get(f"/v1/jobs/{jobs[1]}").json()["status"] == "failed"
    assert api.delete(f"/v1/datasets/{name}").status_code == 204
    assert code(api.get(f"/v1/jobs/{jobs[1]}")) == (404, "job_not_found")
