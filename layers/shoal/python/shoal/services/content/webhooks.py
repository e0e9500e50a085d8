"""Webhooks, through which changes of documents come: one for each dataset of documents, with secrets that change.

Its id is made of the dataset's own random bytes, so that it is the same whoever asks, and nobody guesses it. A
secret that has been replaced is good for another day: time to tell Sanity of the new one.
"""

import hashlib
import string
from contextlib import suppress
from dataclasses import dataclass

from shoal.errors import ConditionFailed, NotFound, TryAgain
from shoal.model.content_documents import DOCUMENTS_SCOPE
from shoal.model.datasets import Dataset
from shoal.services.content.secrets import new_nonce, secret_of
from shoal.services.datasets import list_datasets
from shoal.services.retry import retry_busy
from shoal.storage.keys import webhook_by_id
from shoal.storage.ports import (
    Absent,
    Action,
    AllOf,
    Assign,
    Compare,
    Condition,
    Drop,
    Exists,
    Item,
    Ports,
)

OLD_SECRET_SECONDS = 86_400.0
"""How long a secret is good for after it was replaced, whatever has replaced the next one by then."""
MAX_OLD_SECRETS = 8
"""Replaced secrets that are good at once: each is tried with each signature. Beyond, the oldest ends early."""
_LETTERS = string.ascii_letters + string.digits
_ID_CHARACTERS = 16
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as stored; times are epoch seconds.

    `nonce` makes its secret; None before the first. `old` made those before, newest first, with until when each
    of them is good.
    """

    webhook_id: str
    tenant_id: str
    dataset_id: str
    dataset: str
    created_at: float
    nonce: str | None = None
    rotated_at: float | None = None
    old: tuple[tuple[str, float], ...] = ()

    @property
    def old_until(self) -> float | None:
        """Until when the one before is good; None where there is none, or it had to go at once."""
        return self.old[0][1] if self.old else None

    def nonces_at(self, now: float) -> tuple[str, ...]:
        """What makes the secrets that are good at a time."""
        found: tuple[str, ...] = () if self.nonce is None else (self.nonce,)
        return found + tuple(nonce for nonce, until in self.old if now < until)


def webhook_id_of(documents: Dataset) -> str:
    """The id of the webhook of a dataset of documents: 16 letters and digits."""
    number = int.from_bytes(
        hashlib.blake2b(documents.dataset_id.encode(), key=documents.hash_key, person=b"webhook").digest()
    )
    letters = []
    for _ in range(_ID_CHARACTERS):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)


def ensure_webhook(ports: Ports, documents: Dataset) -> str:
    """The id of the webhook of a dataset of documents, which is there from now on. It has no secret yet."""
    webhook_id = webhook_id_of(documents)
    key = webhook_by_id(webhook_id)
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "webhook_id": webhook_id,
        "tenant_id": documents.tenant_id,
        "dataset_id": documents.dataset_id,
        "dataset": documents.name,
        "created_at": ports.clock(),
    }
    with suppress(ConditionFailed):  # it is there, and may have a secret
        retry_busy(lambda: ports.table.put(item, condition=Absent("pk")))
    return webhook_id


def read_webhook(ports: Ports, webhook_id: str) -> Webhook:
    """A webhook, whoever it belongs to.

    Raises:
        NotFound: `webhook_not_found`.
    """
    try:
        key = webhook_by_id(webhook_id)
    except ValueError:
        raise _not_found() from None
    item = retry_busy(lambda: ports.table.get(key))
    if item is None:
        raise _not_found()
    return _parse(item)


def own_webhook(ports: Ports, tenant_id: str, webhook_id: str) -> Webhook:
    """A webhook of a tenant's; one that the table has lost is there again, without a secret.

    Raises:
        NotFound: `webhook_not_found`.
    """
    try:
        found = read_webhook(ports, webhook_id)
    except NotFound:
        for view in list_datasets(ports, tenant_id, scope=DOCUMENTS_SCOPE):
            if webhook_id_of(view.dataset) == webhook_id:
                ensure_webhook(ports, view.dataset)
                return read_webhook(ports, webhook_id)
        raise
    if found.tenant_id != tenant_id:
        raise _not_found()
    return found


def secrets_of(ports: Ports, webhook: Webhook) -> tuple[str, ...]:
    """The secrets that are good now; none before the first was made.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    return tuple(secret_of(ports, webhook.webhook_id, nonce) for nonce in webhook.nonces_at(ports.clock()))


def rotate_secret(
    ports: Ports, tenant_id: str, webhook_id: str, *, keep_old: bool = True
) -> tuple[Webhook, str]:
    """Make a webhook's next secret, told this once.

    The one before is good for another day, and those before it as long as was said; or none of them any more.

    Raises:
        NotFound: `webhook_not_found`.
        TryAgain: others change it at the same time.
    """
    for _ in range(_ATTEMPTS):
        found = own_webhook(ports, tenant_id, webhook_id)
        now, nonce = ports.clock(), new_nonce()
        made = secret_of(ports, webhook_id, nonce)
        actions: list[Action] = [Assign("nonce", nonce), Assign("rotated_at", now)]
        if found.nonce is not None and keep_old:
            old = ((found.nonce, now + OLD_SECRET_SECONDS), *(each for each in found.old if now < each[1]))
            actions.append(Assign("old", [list(each) for each in old[:MAX_OLD_SECRETS]]))
        else:
            actions.append(Drop("old"))
        try:
            item = _update(ports, found, actions)
        except ConditionFailed as lost:
            if lost.item is None or lost.item.get("nonce") != nonce:
                continue
            item = lost.item  # it was done by a try that was answered too late
        return _parse(item), made
    raise TryAgain("the webhook's secret is being changed by others; send the request again")


def _update(ports: Ports, found: Webhook, actions: list[Action]) -> Item:
    as_found: Condition = AllOf((Exists("pk"), Absent("nonce")))
    if found.nonce is not None:
        as_found = Compare("nonce", "=", found.nonce)
    key = webhook_by_id(found.webhook_id)
    return retry_busy(lambda: ports.table.update(key, actions, condition=as_found))


def _parse(item: Item) -> Webhook:
    return Webhook(
        webhook_id=str(item["webhook_id"]),
        tenant_id=str(item["tenant_id"]),
        dataset_id=str(item["dataset_id"]),
        dataset=str(item["dataset"]),
        created_at=float(item["created_at"]),
        nonce=item.get("nonce"),
        rotated_at=_optional_float(item.get("rotated_at")),
        old=tuple((str(nonce), float(until)) for nonce, until in item.get("old", ())),
    )


def _optional_float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _not_found() -> NotFound:
    return NotFound(
        "webhook_not_found", "there is no such webhook; each index of a dataset shows its webhookId"
    )
