"""A look at a Parquet footer by a process that may die of it.

pyarrow 26 ends its process where the metadata of a column contradicts the schema, or is encrypted: the C++
exception of `RowGroupMetaData.column` passes through a frame that declares none. A function must not die of an
upload, so another process asks for every column first. This file is that process's program too: it imports nothing
of ours.
"""

import json
import subprocess
import sys

TIMEOUT_SECONDS = 120.0
_NOT_READABLE = 3


def is_footer_sound(end_of_file: bytes | memoryview) -> bool:
    """Whether pyarrow can name all columns of a file, given its end from the footer on.

    Raises:
        RuntimeError: the process did not get that far, for a reason that is not the file's.
    """
    try:
        ran = subprocess.run(  # noqa: S603 - this Python and this file, no shell
            [sys.executable, "-I", "-S", "-B", __file__, json.dumps(sys.path)],
            input=end_of_file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if ran.returncode > 0 and ran.returncode != _NOT_READABLE:
        raise RuntimeError(f"the process that looks at footers ended with {ran.returncode}")
    return ran.returncode == 0


def _look(end_of_file: bytes) -> int:
    import pyarrow as pa  # only this process has the path to it by now
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(pa.BufferReader(b"PAR1" + end_of_file))
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for column in range(group.num_columns):
                group.column(column)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return _NOT_READABLE
    return 0


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    sys.exit(_look(sys.stdin.buffer.read()))
