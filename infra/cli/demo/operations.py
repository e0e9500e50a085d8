"""The demo's real data: every AWS API operation that the installed botocore describes.

Embedded is the service's title, the operation's name as words, and the first two sentences of its description, all
in lower case. Measured with the static model on 31 questions with a known answer, the answer was among the first
five in 12 (first in 9); in mixed case 10 (5), with three sentences 12 (4), without the title 10 (6): the model's
pieces of words differ between "Detect" and "detect", and longer texts blur into their mean.
"""

import gzip
import hashlib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPOSITION = 1
"""Changes whenever `embedded_text` does: it is part of what says that an upload is still good."""
_MAX_CHARACTERS = 400
_ASIDES = re.compile(r"<(note|important|dl|ul|ol|examples?)>.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `client` and `method` are boto3's names; `required` the arguments it cannot do without."""

    client: str
    method: str
    service: str
    name: str
    description: str
    required: tuple[str, ...]

    @property
    def id(self) -> str:
        """The record's id: unique over all services."""
        return f"{self.client}.{self.method}"

    @property
    def embedded_text(self) -> str:
        """What the vector is made of."""
        sentences = " ".join(_SENTENCE_END.split(self.description)[:2])[:_MAX_CHARACTERS]
        return f"{self.service}: {words_of(self.name)}. {sentences}".lower()

    @property
    def searched_text(self) -> str:
        """What keyword search looks through: all there is."""
        return f"{self.service} {words_of(self.name)} {self.description}"

    @property
    def call(self) -> str:
        """The line of Python that calls it."""
        return boto3_line(self.client, self.method, self.required)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is stored beside the vector."""
        summary = _SENTENCE_END.split(self.description)[0][:200]
        return {
            "service": self.service,
            "operation": self.name,
            "client": self.client,
            "method": self.method,
            "required": list(self.required),
            "summary": summary,
        }


def boto3_line(client: str, method: str, required: Sequence[str]) -> str:
    """A call that is complete but for the values."""
    arguments = ", ".join(f"{name}=..." for name in required)
    return f'boto3.client("{client}").{method}({arguments})'


def words_of(name: str) -> str:
    """`DetectFaces` as "Detect Faces"."""
    return _WORD_START.sub(" ", name)


def strip_html(documentation: str) -> str:
    """The running text: without notes, lists and tags."""
    text = _TAG.sub(" ", _ASIDES.sub(" ", documentation))
    return _SPACE.sub(" ", html.unescape(text)).strip()


def load_operations(data: Path | None = None) -> Iterator[Operation]:
    """The operations of each service's latest API version, service by service.

    Args:
        data: a folder laid out as botocore's `data`; None for that of the installed package.
    """
    import orjson

    for service in sorted(each for each in (data or _installed()).iterdir() if each.is_dir()):
        versions = sorted(service.glob("*/service-2.json.gz"))
        if versions:
            model = orjson.loads(gzip.decompress(versions[-1].read_bytes()))
            yield from _of_service(service.name, model)


def _of_service(client: str, model: Mapping[str, Any]) -> Iterator[Operation]:
    from botocore import xform_name

    about = model["metadata"]
    title = about.get("serviceFullName") or about["serviceId"]
    for name, operation in model["operations"].items():
        shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
        members = shape.get("members", {})
        # boto3 fills in tokens that make a call idempotent by itself.
        required = [each for each in shape.get("required", ()) if not members[each].get("idempotencyToken")]
        yield Operation(
            client=client,
            method=xform_name(name),
            service=title,
            name=name,
            description=strip_html(operation.get("documentation", "")),
            required=tuple(required),
        )


def _installed() -> Path:
    import botocore

    return Path(botocore.__file__).parent / "data"


def content_digest(operations: Sequence[Operation], *, model: str) -> str:
    """SHA-256 over all that determines the records; `model` names the embedding."""
    digest = hashlib.sha256(f"{COMPOSITION}\n{model}\n".encode())
    for each in operations:
        digest.update(f"{each.id}\0{each.embedded_text}\0{each.metadata}\n".encode())
    return digest.hexdigest()
