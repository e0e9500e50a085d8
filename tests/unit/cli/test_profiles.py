"""Which target a command works on."""

import stat
from pathlib import Path

import pytest

from infra.cli.failures import UsageError
from infra.cli.profiles import Config, Profile, choose, config_path, read, write
from tests.unit.cli.conftest import Run


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with two profiles."""
    variables = {"HOME": str(tmp_path)}
    profiles = {
        "prod": Profile("prod", "https://prod.test", "shl_prod", region="eu-west-1"),
        "lab": Profile("lab", "https://lab.test", "shl_lab", stack="ShoalLab"),
    }
    write(config_path(variables), Config("prod", profiles))
    return variables


def test_what_is_written_is_read(environ: dict[str, str]) -> None:
    path = config_path(environ)
    assert read(path).profiles["lab"] == Profile("lab", "https://lab.test", "shl_lab", stack="ShoalLab")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_names_a_profile_gets_it_whatever_the_environment_says(environ: dict[str, str]) -> None:
    environ |= {"SHOAL_API_URL": "https://other.test", "SHOAL_API_KEY": "shl_other", "SHOAL_PROFILE": "prod"}
    assert choose("lab", environ).api_url == "https://lab.test"


def test_the_environment_beats_the_file(environ: dict[str, str]) -> None:
    environ |= {"SHOAL_API_URL": "https://other.test", "SHOAL_API_KEY": "shl_other"}
    chosen = choose(None, environ)
    assert (chosen.name, chosen.api_url, chosen.api_key) == ("environment", "https://other.test", "shl_other")


def test_a_profile_of_the_environment_and_another_key(environ: dict[str, str]) -> None:
    environ |= {"SHOAL_PROFILE": "lab", "SHOAL_API_KEY": "shl_other"}
    chosen = choose(None, environ)
    assert (chosen.api_url, chosen.api_key, chosen.stack) == ("https://lab.test", "shl_other", "ShoalLab")


def test_the_files_default_then_the_local_stack(environ: dict[str, str], tmp_path: Path) -> None:
    assert choose(None, environ).name == "prod"
    assert choose(None, {"HOME": str(tmp_path / "empty")}).name == "local"


@pytest.mark.parametrize(
    "text", ["nonsense", "[profiles.x]\nkey = 1", "[profiles.x]\napi_url = 1", "[profiles]\nx = 1"]
)
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(UsageError):
        read(file)


def test_profiles_from_the_command_line(run: Run) -> None:
    assert (
        run("profiles", "set", 'odd "name"', "--api-url", "https://a.test", "--api-key", "shl_k").exit_code
        == 0
    )
    assert run("profiles", "use", 'odd "name"').exit_code == 0
    shown = run("profiles", "list")
    assert "https://a.test" in shown.stdout
    assert "shl_k" not in shown.stdout
    assert run("profiles", "remove", 'odd "name"').exit_code == 0
    assert run("profiles", "remove", 'odd "name"').exit_code == 2
    assert run("profiles", "set", "local").exit_code == 2


def test_a_profile_without_a_key_says_so(run: Run) -> None:
    run("profiles", "set", "prod", "--api-url", "https://a.test")
    result = run("datasets", "list", "--profile", "prod")
    assert result.exit_code == 2
    assert "lacks a key" in result.stderr
