"""Assets: read from the manifest, zipped the same each time, published once."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.assembly import Assembly, read_assembly
from infra.local.assets import fill_in, publish, read_assets, zip_folder
from infra.local.lifecycle import say_nothing


class FakeS3:
    """Buckets in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.buckets: set[str] = set()

    def create_bucket(self, *, Bucket: str) -> None:  # noqa: N803 - boto3's names
        self.buckets.add(Bucket)

    def head_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803 - boto3's names
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - boto3's names
        assert Bucket in self.buckets
        self.objects[Bucket, Key] = Body


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    folder = tmp_path / "asset.1"
    (folder / "python").mkdir(parents=True)
    (folder / "python" / "module.py").write_text("x = 1\n")
    (tmp_path / "Stack.template.json").write_text("{}")
    bucket = "assets-${AWS::AccountId}-${AWS::Region}"
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Stack.template.json"}}
    manifest = {"artifacts": {"Stack": artifact, "Tree": {"type": "cdk:tree"}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    files: dict[str, Any] = {
        "1": {
            "source": {"path": "asset.1", "packaging": "zip"},
            "destinations": {"here": {"bucketName": bucket, "objectKey": "1.zip"}},
        },
        "2": {
            "source": {"path": "Stack.template.json", "packaging": "file"},
            "destinations": {"here": {"bucketName": bucket, "objectKey": "2.json"}},
        },
    }
    (tmp_path / "Stack.assets.json").write_text(json.dumps({"files": files}))
    return read_assembly(tmp_path)


def test_assets_are_read_for_the_account_of_the_emulator(assembly: Assembly) -> None:
    found = {(asset.source.name, asset.is_folder, asset.bucket, asset.key) for asset in read_assets(assembly)}
    assert found == {
        ("asset.1", True, "assets-000000000000-us-east-1", "1.zip"),
        ("Stack.template.json", False, "assets-000000000000-us-east-1", "2.json"),
    }


def test_placeholders_are_filled_in() -> None:
    assert fill_in("arn:${AWS::Partition}:s3:::a-${AWS::AccountId}") == "arn:aws:s3:::a-000000000000"


def test_what_is_there_is_not_published_again(assembly: Assembly) -> None:
    s3 = FakeS3()
    publish(s3, read_assets(assembly), say_nothing)
    assert {key for _, key in s3.objects} == {"1.zip", "2.json"}
    before = dict.fromkeys(s3.objects, b"as it was")
    s3.objects = dict(before)
    publish(s3, read_assets(assembly), say_nothing)
    assert s3.objects == before


def test_a_folder_makes_the_same_zip_at_any_time_and_keeps_its_modes(assembly: Assembly) -> None:
    folder = assembly.folder / "asset.1"
    module = folder / "python" / "module.py"
    module.chmod(0o755)
    first = zip_folder(folder)
    os.utime(module, (1, 1))
    assert zip_folder(folder) == first
    (entry,) = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert (entry.filename, entry.external_attr >> 16 & 0o777) == ("python/module.py", 0o755)
