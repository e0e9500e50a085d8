"""Content exports on the disk: a file of documents, or an archive that holds one."""

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.imports.display import size_text
from infra.cli.imports.formats import Source, source_of
from shoal.model.imports import ImportFormat

_DATA = "data.ndjson"


@contextmanager
def opened_export(path: Path, *, multipart: bool) -> Iterator[Source]:
    """The file of documents in an export, for as long as it is uploaded.

    Raises:
        UsageError: it cannot be read, or is an archive without documents.
    """
    source = source_of(path, file_format=ImportFormat.DOCUMENTS, multipart=multipart)
    if not tarfile.is_tarfile(path):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="shoal-") as folder:
        taken = _taken_out(path, Path(folder))
        output.note(f"{path.name} is an archive: importing {_DATA} of it, {size_text(taken.stat().st_size)}")
        yield source_of(taken, file_format=ImportFormat.DOCUMENTS, multipart=multipart)


def _taken_out(path: Path, folder: Path) -> Path:
    """The documents of an archive, as a file in a folder. Nothing else is unpacked, and no name in it is used."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).name == _DATA:
                    found = archive.extractfile(member)
                    if found is not None:
                        target = folder / _DATA
                        with target.open("wb") as out:
                            shutil.copyfileobj(found, out, 1 << 20)
                        return target
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    raise UsageError(f"{path} is an archive without {_DATA}", hint="give the file of documents itself")
