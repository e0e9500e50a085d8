"""What documents that may have changed mean for a content index: pure decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shoal.model.content_documents import Change, Document, version_of_document
from shoal.model.content_indexes import Selection


@dataclass(frozen=True, slots=True)
class Decision:
    """Documents to embed, and ids that must not be in the index."""

    embed: tuple[Document, ...]
    remove: tuple[str, ...]


def decide(
    selection: Selection, ids: Iterable[str], latest: Mapping[str, Change], held: Mapping[str, str] | None
) -> Decision:
    """What brings an index up to the latest versions.

    Args:
        selection: what it selects.
        ids: documents that may have changed, each once.
        latest: what is known of them now; an id that is not there is nowhere.
        held: the version of each that the index holds; None where that is not known, and everything is done.
    """
    embed: list[Document] = []
    remove: list[str] = []
    for document_id in ids:
        document = latest.get(document_id)
        if isinstance(document, Document) and selection.selects(document):
            if held is None or held.get(document_id) != version_of_document(document):
                embed.append(document)
        elif held is None or document_id in held:
            remove.append(document_id)
    return Decision(tuple(embed), tuple(remove))


def differences(wanted: Mapping[str, str], held: Mapping[str, str], failed: Mapping[str, str]) -> list[str]:
    """The ids, ascending, for which an index has something to do, by versions of all that there is.

    `wanted` is selected, `held` is in the index, `failed` was tried, and is not to be tried again as it is.
    """
    wrong = {name for name, version in wanted.items() if version not in (held.get(name), failed.get(name))}
    gone = (held.keys() | failed.keys()) - wanted.keys()
    return sorted(wrong | gone)
