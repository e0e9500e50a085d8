"""The texts that a record may carry beside its metadata: namespace and document, and why one is refused."""

import re

from shoal.model.limits import MAX_DOCUMENT_BYTES, MAX_NAMESPACE_CHARACTERS

type Texts = tuple[str, bytes]
"""Namespace, and document in UTF-8; empty where a record has none."""

BAD_NAMESPACE = "namespace must be a string"
LONG_NAMESPACE = f"namespace too long (max {MAX_NAMESPACE_CHARACTERS} chars)"
CONTROL_IN_NAMESPACE = "namespace must not contain control characters"
BAD_DOCUMENT = "document must be a string"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def namespace_fault(namespace: str) -> str | None:
    """Why there is no such namespace; None where there may be. "" means none, and is not looked into."""
    if len(namespace) > MAX_NAMESPACE_CHARACTERS:
        return LONG_NAMESPACE
    return CONTROL_IN_NAMESPACE if _CONTROL.search(namespace) else None


def document_fault(size: int) -> str | None:
    """Why a document of so many bytes is not taken; None where it is."""
    if size <= MAX_DOCUMENT_BYTES:
        return None
    return f"document too large: got {size} bytes expected at most {MAX_DOCUMENT_BYTES}"


def judge_texts(namespace: object, document: object) -> Texts | str:
    """The texts of a record, or the reason why it is refused.

    Args:
        namespace: parsed JSON; null means none, as "" does.
        document: likewise.
    """
    if namespace is None:
        namespace = ""
    if type(namespace) is not str:
        return BAD_NAMESPACE
    fault = namespace_fault(namespace)
    if fault is not None:
        return fault
    if document is None:
        return namespace, b""
    if type(document) is not str:
        return BAD_DOCUMENT
    encoded = document.encode()
    return document_fault(len(encoded)) or (namespace, encoded)
