"""The stores that several processes share: what comes back through the socket, errors too."""

from pathlib import Path

import pytest

from shoal.errors import ConditionFailed, TransactionCancelled
from shoal.storage.ports import Absent, Add, DeleteItem, Key, PutItem
from tests.benchmarks.shared_stores import Call, SharedStores, shared_stores


def test_stores_are_the_same_for_every_client(tmp_path: Path) -> None:
    with shared_stores(tmp_path) as stores:
        other = SharedStores(stores.place)
        table, key = other.ports.table, Key("a", "b")
        assert table.update(key, [Add("count", 2)]) == {"pk": "a", "sk": "b", "count": 2}
        assert stores.ports.table.get(key) == {"pk": "a", "sk": "b", "count": 2}
        with pytest.raises(ConditionFailed) as lost:
            table.put({"pk": "a", "sk": "b"}, condition=Absent("pk"))
        assert lost.value.item == {"pk": "a", "sk": "b", "count": 2}
        with pytest.raises(TransactionCancelled) as cancelled:
            table.transact(
                [PutItem({"pk": "a", "sk": "c"}), DeleteItem(key, condition=Absent("count"))], token="token"
            )
        assert cancelled.value.failed == (False, True)
        with pytest.raises(ValueError):
            table.get(Key("", ""))

        other.ports.objects.put("key", b"body")
        assert stores.ports.objects.get("key") == b"body"
        other.ports.imports.start("name", {"import_id": "name"})
        assert stores.ports.imports.status("name") == "RUNNING"
        other.note(Call("import_plan", "plan", 0.5, 0.4))
        assert stores.calls() == [Call("import_plan", "plan", 0.5, 0.4)]
