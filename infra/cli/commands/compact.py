"""`shoal compact`: fewer pieces and no dead rows, now."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from infra.cli.listing import DatasetStats


def compact(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")] = True,
    timeout: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="How long to wait; it goes on without us.")
    ] = 1800.0,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Compact a dataset: no dead rows, and as few pieces as can be. Queries and writes go on meanwhile.

    It happens by itself when it is due. Asking for it pays after many deletes, or before a snapshot.
    """
    from infra.cli.compacting import run_compaction, tidy

    with targets(ctx).client(profile) as client:
        before = client.listing.stats(dataset)
        if tidy(before):
            after, nothing = before, True
        else:
            nothing = False
            newest = client.compactions.newest(dataset)
            client.compactions.request(dataset)
            if not wait:
                if as_json:
                    output.print_json({"dataset": dataset, "status": "requested"})
                else:
                    output.line("requested")
                    output.note(f"`shoal stats {dataset}` shows how it is")
                return
            after = run_compaction(
                client, dataset, newest.compaction_id if newest else None, timeout_seconds=timeout
            )
    if as_json:
        output.print_json({"before": before, "after": after})
        return
    if nothing:
        output.note(f"{dataset} has no dead rows, and no fewer pieces are possible: nothing to do")
    _show(before, after)


def _show(before: "DatasetStats", after: "DatasetStats") -> None:
    from infra.cli.imports.display import size_text

    def figures(each: "DatasetStats") -> tuple[str, ...]:
        return (
            f"{each.row_count:,}",
            f"{each.stored_rows - each.row_count:,}",
            f"{each.shards:,}",
            f"{each.cell_sets:,}",
            f"{each.cells:,}",
            size_text(each.bytes),
            f"{each.recall.measured:.3f}" if each.recall else "exact",
        )

    names = ("rows", "dead rows", "shards searched whole", "cell sets", "cells", "size", "recall")
    output.table(("", "before", "after"), list(zip(names, figures(before), figures(after), strict=True)))
