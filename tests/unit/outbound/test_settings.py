"""The environment of the function that sends requests."""

import pytest

from shoal.outbound.settings import OutboundSettings
from shoal.settings import SettingsError


def test_nothing_has_to_be_set() -> None:
    found = OutboundSettings.from_env({"SHOAL_PARAMETER_PREFIX": "", "AWS_REGION": "eu-central-1"})
    assert found == OutboundSettings(parameter_prefix=None, allow_loopback=False, log_level="INFO")


def test_what_is_set() -> None:
    environ = {
        "SHOAL_PARAMETER_PREFIX": "/shoal/keys/",
        "SHOAL_OUTBOUND_ALLOW_LOOPBACK": "true",
        "SHOAL_LOG_LEVEL": "DEBUG",
    }
    assert OutboundSettings.from_env(environ) == OutboundSettings(
        parameter_prefix="/shoal/keys/", allow_loopback=True, log_level="DEBUG"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOAL_PARAMETER_PREFIX", "planted"),
        ("SHOAL_PARAMETER_PREFIX", "/"),
        ("SHOAL_PARAMETER_PREFIX", "/planted/*"),
        ("SHOAL_OUTBOUND_ALLOW_LOOPBACK", "planted"),
        ("SHOAL_LOG_LEVEL", "planted"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as found:
        OutboundSettings.from_env({name: value})
    assert "planted" not in str(found.value)
