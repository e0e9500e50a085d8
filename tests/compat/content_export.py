"""A small content export, as `sanity dataset export` writes one: what is published, drafts, and the rest."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

_MOVIES = {
    "cowboys-aliens": (
        "Cowboys & Aliens",
        "A spaceship arrives in the Wild West, and cowboys fight the aliens.",
    ),
    "titanic": ("Titanic", "Two lovers meet on the deck of a great ship that sinks in the cold ocean."),
    "paddington": ("Paddington", "A polite bear from Peru looks for a home in London and likes marmalade."),
    "alien": ("Alien", "The crew of a spaceship is hunted by a creature from another planet."),
    "ratatouille": ("Ratatouille", "A rat dreams of being a chef in a famous restaurant of Paris."),
}
MOVIES = tuple(_MOVIES)
"""The ids of the published movies."""


def documents() -> Iterator[dict[str, Any]]:
    """The documents of the export."""
    for number, (name, (title, plot)) in enumerate(_MOVIES.items()):
        body = {
            "_id": name,
            "_type": "movie",
            "_rev": f"rev{number:019d}",
            "_createdAt": "2023-09-01T08:00:00Z",
            "_updatedAt": f"2023-09-15T12:27:{number:02d}Z",
            "title": title,
            "slug": {"_type": "slug", "current": name},
            "plot": [
                {
                    "_key": f"k{number}",
                    "_type": "block",
                    "children": [{"_key": "s0", "_type": "span", "marks": [], "text": plot}],
                    "markDefs": [],
                    "style": "normal",
                }
            ],
            "director": {"_type": "reference", "_ref": f"person-{number}"},
        }
        yield body
        yield body | {"_id": f"drafts.{name}", "title": f"{title} (not yet published)"}
        yield {"_id": f"person-{number}", "_type": "person", "name": f"Director number {number}"}
    yield {
        "_id": "image-f2b0c1-600x800-jpg",
        "_type": "sanity.imageAsset",
        "_updatedAt": "2023-09-15T12:00:00Z",
        "originalFilename": "poster.jpg",
    }
    yield {"_id": "versions.r1.alien", "_type": "movie", "title": "Alien (director's cut)"}


def lines(found: Iterable[dict[str, Any]]) -> bytes:
    """Documents as NDJSON."""
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in found)
