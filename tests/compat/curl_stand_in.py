"""The few options of curl that the pages' code blocks use, for a machine that has no curl.

It reads `write-out` from the `.curlrc` in `CURL_HOME`, as curl does; an option that it does not know is an error.
"""

import argparse
import os
import re
import secrets
import sys
from pathlib import Path

import httpx


def main(arguments: list[str]) -> None:
    """Make the request and print the answer's body, then what `.curlrc` wants written."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-X", "--request", dest="method")
    parser.add_argument("-H", "--header", dest="headers", action="append", default=[])
    parser.add_argument("-d", "--data", dest="data")
    parser.add_argument("--data-binary", dest="binary")
    parser.add_argument("-F", dest="form")
    given = parser.parse_args(arguments)
    body = given.data.encode() if given.data is not None else None
    if given.binary is not None:
        body = Path(given.binary[1:]).read_bytes() if given.binary.startswith("@") else given.binary.encode()
    headers = dict(re.split(r":\s*", header, maxsplit=1) for header in given.headers)
    if given.form is not None:
        body = multipart(given.form, headers)
    method = given.method or ("GET" if body is None else "POST")
    answer = httpx.request(method, given.url, headers=headers, content=body, trust_env=False, timeout=60)
    sys.stdout.write(answer.text + written(answer.status_code))


def multipart(form: str, headers: dict[str, str]) -> bytes:
    """The body of `-F name=@file`; adds its boundary to a Content-Type that was given, as curl does."""
    name, path = form.split("=@", 1)
    boundary = f"------------------------{secrets.token_hex(8)}"
    given = headers.get("Content-Type")
    # Under a type of the caller's own, a part is no field of a form any more, and curl calls it an attachment.
    disposition = "form-data" if given is None else "attachment"
    headers["Content-Type"] = f"{given or 'multipart/form-data'}; boundary={boundary}"
    head = (
        f'--{boundary}\r\nContent-Disposition: {disposition}; name="{name}"; filename="{Path(path).name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + Path(path).read_bytes() + f"\r\n--{boundary}--\r\n".encode()


def written(status: int) -> str:
    """What `write-out` in `.curlrc` says, with the status filled in."""
    config = Path(os.environ.get("CURL_HOME", "."), ".curlrc")
    wanted = re.search(r'^write-out = "(.*)"$', config.read_text(), re.MULTILINE) if config.exists() else None
    return wanted[1].replace(r"\n", "\n").replace("%{http_code}", str(status)) if wanted else ""


if __name__ == "__main__":
    main(sys.argv[1:])
