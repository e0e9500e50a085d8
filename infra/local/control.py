"""Asks the running emulator for what its AWS endpoints do not tell, over plain HTTP and never through a proxy."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


def ask(endpoint_url: str, command: str, *, timeout: float = 30.0) -> Any:
    """The JSON answer to a control command.

    Raises:
        OSError: nobody answers.
    """
    address = urlsplit(endpoint_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout)
    try:
        connection.request("GET", f"/_shoal/{command}")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
