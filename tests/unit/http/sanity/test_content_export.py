"""A content export, from the file to what a query finds in it, and on."""

from typing import Any

from shoal.services.content.documents import find_documents
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import get_import
from tests.compat.content_export import MOVIES, documents, lines
from tests.unit.http.api import Api
from tests.unit.http.sanity.client import Client
from tests.unit.http.sanity.pump import ContentPump
from tests.workflow.machine import run_workflow
from tests.workflow.steps import import_definition, in_process

DATASET, INDEX = "production", "movies"
SPEC = {"indexName": INDEX, "filter": "_type == 'movie'", "projection": "{title, plot}"}


def imported(api: Api, client: Client, pump: ContentPump, data: bytes) -> dict[str, Any]:
    """An import once it is completed."""
    job = client.call("POST", f"data/import/{DATASET}")
    assert job.status == 201, job.text
    dataset = find_documents(api.ports, api.tenant_id, DATASET)
    import_id = job.json["import_id"]
    api.ports.objects.put(keys_of_import(get_import(api.ports, dataset, import_id)).upload, data)
    assert client.call("POST", f"data/import/{DATASET}/{import_id}/complete").status == 202
    pump.run()
    run_workflow(import_definition(), api.ports, in_process(api.ports), api.imports.started[import_id])
    pump.run()
    done: dict[str, Any] = client.call("GET", f"data/import/{DATASET}/{import_id}").json
    assert done["status"] == "completed", done
    return done


def found(client: Client, text: str) -> list[str]:
    answer = client.query({"query": text}, name=INDEX, dataset=DATASET)
    assert answer.status == 200, answer.text
    return [each["value"]["documentId"] for each in answer.json]


def test_an_export_becomes_an_index_that_stays_current(api: Api, client: Client) -> None:
    pump = ContentPump(api)
    done = imported(api, client, pump, lines(documents()))
    assert (done["records_rejected"], done["documents_skipped"]) == (0, len(MOVIES) + 1)
    made = client.call("POST", f"embeddings-index/{DATASET}", SPEC).json["index"]
    assert (made["status"], made["startDocumentCount"]) == ("pending", len(MOVIES))
    pump.run()
    built = client.get(INDEX, DATASET).json
    assert (built["status"], built["failedDocumentCount"]) == ("active", 0)
    assert found(client, "cowboys fight visitors from space")[0] == "cowboys-aliens"
    assert found(client, "a bear that likes marmalade")[0] == "paddington"
    assert sorted(found(client, "a film")) == sorted(MOVIES), "each once: no draft, no version, no asset"

    # A webhook tells of a change, and the next export of another and of what the webhook has told already.
    webhook = client.webhook(DATASET)
    changed = next(each for each in documents() if each["_id"] == "titanic")
    changed |= {"_updatedAt": "2023-10-01T00:00:00Z", "plot": "A bear lives on marmalade", "title": "Bears"}
    assert webhook.send(changed, operation="update").status == 200
    pump.run()
    assert set(found(client, "a bear that likes marmalade")[:2]) == {"titanic", "paddington"}
    later = [each for each in documents() if each["_id"] in {"titanic", "alien"}]
    later[1] |= {"_updatedAt": "2023-10-02T00:00:00Z", "_type": "book"}
    again = imported(api, client, pump, lines(later))
    assert again["documents_outdated"] == 1, "what the webhook has told is newer"
    assert set(found(client, "a bear that likes marmalade")[:2]) == {"titanic", "paddington"}
    assert sorted(found(client, "a film")) == sorted(set(MOVIES) - {"alien"})
