"""The static embedding model, loaded once in a process: what the demo, `shoal ask` and `--text` embed with."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from infra.cli.failures import CliError, UsageError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from shoal.embedding.static import StaticModel

DIMENSIONS = (256, 128)


@cache
def model() -> "StaticModel":
    """The model of the installed `wordllama` package.

    Raises:
        CliError: it is not installed.
    """
    try:
        from shoal.embedding.static import StaticModel, find_static_model

        return StaticModel.load(*find_static_model())
    except (ImportError, OSError) as error:
        raise CliError(
            f"no static embedding model: {error}", hint="`pip install wordllama==0.4.0.post1`"
        ) from error


def embed_texts(texts: Sequence[str], *, dimension: int = DIMENSIONS[0]) -> "NDArray[float32]":
    """float32 unit vectors, shape (n, dimension).

    Raises:
        UsageError: the model has no such dimension.
    """
    if dimension not in DIMENSIONS:
        raise UsageError(
            f"the static model makes {' or '.join(map(str, DIMENSIONS))} dimensions, the dataset has {dimension}",
            hint="give the vector itself: --vector",
        )
    return model().embed(texts, dimension=dimension)
