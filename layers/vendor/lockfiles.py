"""The requirement files of the layers, cut out of the project's own: what is tested is what is deployed."""

from collections.abc import Iterable

from layers.vendor.recipes import FOLDER, LOCKED, REQUIREMENTS

PROJECT_REQUIREMENTS = FOLDER.parents[1] / "requirements.txt"


def write_lockfiles() -> None:
    """Write a hashed requirement file for each layer."""
    pins = read_pins(PROJECT_REQUIREMENTS.read_text())
    for name, packages in LOCKED.items():
        (REQUIREMENTS / f"{name}.txt").write_text(cut(pins, packages))


def read_pins(text: str) -> dict[str, str]:
    """The pins of a requirement file by package: each with its hashes, as written, without its marker."""
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name = line.partition("==")[0]
            # A marker chooses platforms for laptops; a layer is for one platform, and we chose for it.
            pins[name] = line.partition(" ;")[0].rstrip("\\ ") + " \\\n"
        elif line.strip().startswith("--hash="):
            pins[name] += line + "\n"
    return pins


def cut(pins: dict[str, str], packages: Iterable[str]) -> str:
    """The requirement file for some packages.

    Raises:
        KeyError: the project does not pin one of them.
    """
    return "".join(pins[package] for package in sorted(packages))
