"""What of a projection is embedded: what people wrote, without what the content store keeps beside it.

Members whose names begin with an underscore (`_id`, `_type`, `_rev`, `_key`, `_ref`) are the store's own, and are
left out; a projection that wants one gives it another name: ``{"kind": _type}``. A block of portable text is its
text, whatever is bold in it.
"""

from typing import Any

from shoal.model.templates import MAX_DEPTH

_BLOCK = "block"


def plain(value: Any, room: int = MAX_DEPTH) -> Any:
    """A value (parsed JSON) of which `model.templates.text_of` makes the text.

    What nests deeper than that allows is cut off just below, where it is still seen to.
    """
    if isinstance(value, dict):
        if room < 0:
            return {}
        if value.get("_type") == _BLOCK and isinstance(value.get("children"), list):
            return _text_of_block(value["children"])
        return {name: plain(inner, room - 1) for name, inner in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [] if room < 0 else [plain(inner, room - 1) for inner in value]
    return value


def _text_of_block(children: list[Any]) -> str:
    texts = (child.get("text") for child in children if isinstance(child, dict))
    return "".join(text for text in texts if isinstance(text, str))
