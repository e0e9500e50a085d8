"""Golden objects as text: 32 bytes a line in hexadecimal; `zeros N` stands for a run of them."""

from pathlib import Path

_LINE = 32


def write_hex(path: Path, data: bytes) -> None:
    """Write `data` to `path`."""
    lines: list[str] = []
    zeros = 0
    for start in range(0, len(data), _LINE):
        piece = data[start : start + _LINE]
        if not any(piece):
            zeros += len(piece)
            continue
        if zeros:
            lines.append(f"zeros {zeros}")
            zeros = 0
        lines.append(piece.hex())
    if zeros:
        lines.append(f"zeros {zeros}")
    path.write_text("\n".join(lines) + "\n")


def read_hex(path: Path) -> bytes:
    """What `write_hex` wrote."""
    return b"".join(
        bytes(int(line.removeprefix("zeros "))) if line.startswith("zeros") else bytes.fromhex(line)
        for line in path.read_text().splitlines()
    )
