"""Our tools reach the local stack whatever the developer's own AWS settings and proxies are."""

import pytest

from infra.local.info import Credentials
from infra.local.session import LocalSession

SESSION = LocalSession("http://127.0.0.1:9", "us-east-1", Credentials("AKIAX", "secret"), {})


def test_a_client_ignores_profiles_files_and_proxies(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text("[default]\nregion = eu-west-1\n")
    for name, value in {
        "AWS_PROFILE": "missing",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SESSION_TOKEN": "of somebody else",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    client = SESSION.client("s3")
    assert client.meta.region_name == "us-east-1"
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.config.proxies == {}
    client.close()
