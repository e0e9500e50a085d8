"""Lambda function `import_intake`: starts the imports whose uploads S3 tells of."""

from contextlib import suppress
from typing import Any

from shoal import runtime
from shoal.batches import run_each
from shoal.errors import NotFound
from shoal.s3_events import created_keys
from shoal.services.imports.starting import start_uploaded

NEEDS = ("bucket", "wakeups_queue_url", "upload_role_arn", "import_state_machine_arn")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Handle a batch of events; answers with those to deliver again."""
    ports = runtime.ports(*NEEDS)

    def start(key: str) -> None:
        with suppress(NotFound):  # the dataset was deleted meanwhile: nothing is left to start
            start_uploaded(ports, key)

    return run_each(event, read=created_keys, work=start, fields=lambda key: {"key": key})
