"""Publishes the files that a template points at, as `cdk deploy` would: under the keys that the manifest names."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.local.assembly import Assembly
from infra.local.commands import Progress, Ticker
from infra.local.info import ACCOUNT, REGION

EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""Zip files know no earlier time; with one time for all, equal folders make equal zips."""

FASTEST: Final = 1


@dataclass(frozen=True, slots=True)
class Asset:
    """A file or a folder, and where it belongs."""

    source: Path
    is_folder: bool
    bucket: str
    key: str


def read_assets(assembly: Assembly) -> list[Asset]:
    """The assets of an assembly, for the account and the region of the emulator."""
    files: dict[str, Any] = json.loads(assembly.assets.read_text())["files"]
    assets = []
    for file in files.values():
        source = assembly.folder / file["source"]["path"]
        for destination in file["destinations"].values():
            bucket = fill_in(destination["bucketName"])
            key = fill_in(destination["objectKey"])
            assets.append(Asset(source, file["source"]["packaging"] == "zip", bucket, key))
    return assets


def fill_in(text: str) -> str:
    """A name of the manifest without its placeholders."""
    values = {"${AWS::AccountId}": ACCOUNT, "${AWS::Region}": REGION, "${AWS::Partition}": "aws"}
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def zip_folder(folder: Path) -> bytes:
    """A folder as a zip file with its modes, lightly compressed: it does not travel far."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EARLIEST)
            entry.external_attr = path.stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def publish(s3: Any, assets: list[Asset], progress: Progress) -> None:
    """Put each asset where it belongs unless it is there; its key says what is in it.

    Args:
        s3: a boto3 client.
        assets: what `read_assets` found.
        progress: gets a line for each asset that goes up.
    """
    ticker = Ticker(progress, "publishing assets")
    for bucket in {asset.bucket for asset in assets}:
        s3.create_bucket(Bucket=bucket)
    for asset in _missing(s3, assets):
        ticker.tick()
        body = zip_folder(asset.source) if asset.is_folder else asset.source.read_bytes()
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)


def _missing(s3: Any, assets: list[Asset]) -> Iterator[Asset]:
    for asset in assets:
        try:
            s3.head_object(Bucket=asset.bucket, Key=asset.key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
                raise
            yield asset
