"""Webhooks of datasets of documents: one each, with secrets that nobody can read out of the table."""

import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from shoal.errors import NotFound, StorageBusy
from shoal.model.datasets import Dataset
from shoal.services.content.documents import ensure_documents
from shoal.services.content.webhooks import (
    MAX_OLD_SECRETS,
    OLD_SECRET_SECONDS,
    ensure_webhook,
    own_webhook,
    read_webhook,
    rotate_secret,
    secrets_of,
    webhook_id_of,
)
from shoal.services.tenants import create_tenant
from shoal.storage.keys import webhook_by_id
from shoal.storage.memory import MemorySecrets, MemoryTable
from shoal.storage.ports import Condition, Key, Ports
from tests.unit.http.api import Api


@pytest.fixture
def documents(api: Api) -> Dataset:
    return ensure_documents(api.ports, api.tenant_id, "movies")


@pytest.fixture
def api() -> Api:
    return Api()


def good(ports: Ports, webhook_id: str) -> tuple[str, ...]:
    return secrets_of(ports, read_webhook(ports, webhook_id))


def rotated(api: Api, webhook_id: str, **how: bool) -> str:
    return rotate_secret(api.ports, api.tenant_id, webhook_id, **how)[1]


def test_one_for_each_dataset_whoever_asks(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    assert re.fullmatch("[A-Za-z0-9]{16}", webhook_id)
    secret = rotated(api, webhook_id)
    assert ensure_webhook(api.ports, documents) == webhook_id == webhook_id_of(documents)
    assert good(api.ports, webhook_id) == (secret,), "asking again changes nothing"
    other = ensure_webhook(api.ports, ensure_documents(api.ports, api.tenant_id, "books"))
    assert other != webhook_id
    assert good(api.ports, other) == ()


def test_its_id_cannot_be_told_from_the_dataset_s(documents: Dataset) -> None:
    assert webhook_id_of(replace(documents, hash_key=bytes(16))) != webhook_id_of(documents)


def test_the_old_secret_is_good_for_a_day(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    first, second = rotated(api, webhook_id), rotated(api, webhook_id)
    assert first != second
    api.clock.now += OLD_SECRET_SECONDS - 1
    assert good(api.ports, webhook_id) == (second, first)
    api.clock.now += 1
    assert good(api.ports, webhook_id) == (second,)


def test_an_old_secret_is_as_good_as_was_said_whatever_comes_after_it(api: Api, documents: Dataset) -> None:
    """Whoever loses the answer asks again: the secret that signs meanwhile must not end by that."""
    webhook_id = ensure_webhook(api.ports, documents)
    signs = rotated(api, webhook_id)
    lost = rotated(api, webhook_id)
    api.clock.now += 60
    new = rotated(api, webhook_id)
    assert good(api.ports, webhook_id) == (new, lost, signs)
    api.clock.now += OLD_SECRET_SECONDS - 60
    assert good(api.ports, webhook_id) == (new, lost)
    api.clock.now += 60
    assert good(api.ports, webhook_id) == (new,)


def test_only_so_many_old_secrets_are_good_at_once(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    made = [rotated(api, webhook_id) for _ in range(MAX_OLD_SECRETS + 3)]
    assert good(api.ports, webhook_id) == tuple(reversed(made[2:]))


def test_unless_it_must_go_at_once(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    rotated(api, webhook_id)
    leaked = rotated(api, webhook_id)
    new = rotated(api, webhook_id, keep_old=False)
    assert good(api.ports, webhook_id) == (new,)
    assert leaked != new


def test_the_table_does_not_hold_it(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    secret = rotated(api, webhook_id)
    stored = api.ports.table.get(webhook_by_id(webhook_id))
    assert stored is not None
    assert secret not in repr(stored)
    # Another deployment's key, and so whoever only has the table, makes another secret of it.
    elsewhere = replace(api.ports, secrets=MemorySecrets())
    assert good(elsewhere, webhook_id) != (secret,)


def test_it_is_the_tenant_s_own(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    stranger = create_tenant(api.ports, name="theirs").tenant_id
    with pytest.raises(NotFound, match="no such webhook"):
        own_webhook(api.ports, stranger, webhook_id)
    with pytest.raises(NotFound):
        rotate_secret(api.ports, stranger, webhook_id)
    assert good(api.ports, webhook_id) == ()


def test_one_that_the_table_has_lost_is_made_again(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    before = rotated(api, webhook_id)
    api.ports.table.delete(webhook_by_id(webhook_id))
    stranger = create_tenant(api.ports, name="theirs").tenant_id
    with pytest.raises(NotFound):
        own_webhook(api.ports, stranger, webhook_id)
    after = rotated(api, webhook_id)
    assert good(api.ports, webhook_id) == (after,)
    assert after != before


@pytest.mark.parametrize("webhook_id", ["abcdefghI7jKKl1P", "", "a/b", "x" * 65, "#"])
def test_what_is_not_there(api: Api, webhook_id: str) -> None:
    with pytest.raises(NotFound) as found:
        read_webhook(api.ports, webhook_id)
    assert found.value.code == "webhook_not_found"
    with pytest.raises(NotFound):
        rotate_secret(api.ports, api.tenant_id, webhook_id)
    assert api.ports.table.get(Key("WEBHOOK#abcdefghI7jKKl1P", "META")) is None


def test_whoever_rotates_at_once_gets_a_secret_that_was_good(api: Api, documents: Dataset) -> None:
    webhook_id = ensure_webhook(api.ports, documents)
    made: list[str] = []
    start = threading.Barrier(3)

    def rotate() -> None:
        start.wait()
        made.append(rotated(api, webhook_id))

    threads = [threading.Thread(target=rotate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 3
    assert set(good(api.ports, webhook_id)) == set(made)


class Late(MemoryTable):
    """A table that does the next update, and then says that it was too busy."""

    late = False

    def update(self, key: Key, actions: Any, *, condition: Condition | None = None) -> Mapping[str, Any]:
        done = super().update(key, actions, condition=condition)
        if self.late:
            self.late = False
            raise StorageBusy("the answer came too late")
        return done


def test_a_rotation_that_is_answered_too_late_is_done_once(api: Api, documents: Dataset) -> None:
    table = Late(api.clock)
    ports = replace(api.ports, table=table)
    webhook_id = ensure_webhook(ports, documents)
    before = rotate_secret(ports, api.tenant_id, webhook_id)[1]
    table.late = True
    after = rotate_secret(ports, api.tenant_id, webhook_id)[1]
    assert good(ports, webhook_id) == (after, before)
