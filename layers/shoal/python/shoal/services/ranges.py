"""Which byte ranges of one object to ask for together."""

from collections.abc import Sequence


def neighbours(places: Sequence[tuple[int, int]], *, gap: int, longest: int) -> list[list[int]]:
    """Group places (first byte, end), which do not overlap, into runs that one request reads.

    A run goes on while the next place begins at most `gap` bytes after the last one's end, and the run stays
    within `longest` bytes: requests that are too long would not run side by side.

    Returns:
        Positions in `places`, rising by first byte; a place is in exactly one run.
    """
    runs: list[list[int]] = []
    for position in sorted(range(len(places)), key=places.__getitem__):
        start, stop = places[position]
        if runs:
            first, last = places[runs[-1][0]], places[runs[-1][-1]]
            if start - last[1] <= gap and stop - first[0] <= longest:
                runs[-1].append(position)
                continue
        runs.append([position])
    return runs
