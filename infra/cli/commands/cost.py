"""`shoal cost`: what Shoal costs on AWS, position by position."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.options import AsJson, targets

if TYPE_CHECKING:
    from infra.cli.cost_model import Bill


def cost(
    ctx: typer.Context,
    queries: Annotated[int, typer.Option(min=1, help="How many queries to price.")] = 1_000_000,
    rows: Annotated[int, typer.Option(min=1, help="How many rows to price.")] = 1_000_000,
    query_ms: Annotated[
        float | None, typer.Option(help="Milliseconds of a query's function. Default: measured by the demo.")
    ] = None,
    index_rows_s: Annotated[
        float | None, typer.Option(help="Rows indexed a second. Default: measured by the demo.")
    ] = None,
    dimension: Annotated[int | None, typer.Option(min=1, max=4096, help="Dimension of the rows.")] = None,
    as_json: AsJson = False,
) -> None:
    """Price an idle month, queries and rows: us-east-1, list prices, and what the lasting free tier leaves.

    Example: `shoal cost --queries 5000000 --query-ms 12`
    """
    from infra.cli import cost_model, measured, prices
    from infra.cli.local_stack import state_folder
    from infra.settings import Settings

    figures = measured.read(state_folder(targets(ctx).environ))
    if query_ms is not None:
        figures = replace(figures, query_ms=query_ms)
    if index_rows_s is not None:
        figures = replace(figures, index_seconds=figures.rows / index_rows_s)
    if dimension is not None:
        factor = dimension / figures.dimension
        figures = replace(
            figures,
            dimension=dimension,
            upload_requests=max(1, round(figures.upload_requests * factor)),
            upload_bytes_sent=round(figures.upload_bytes_sent * factor),
            upload_seconds=figures.upload_seconds * factor,
        )
    settings = Settings()
    bills = [
        cost_model.idle(settings),
        cost_model.queries(settings, figures, queries),
        cost_model.rows(settings, figures, rows),
        cost_model.keeping(figures, rows),
    ]
    if as_json:
        output.print_json(
            {
                "region": prices.REGION,
                "prices_as_of": prices.AS_OF,
                "measured": figures,
                "bills": [
                    {
                        "title": bill.title,
                        "list_price": bill.list_price,
                        "after_free": bill.after_free,
                        "lines": bill.lines,
                    }
                    for bill in bills
                ],
            }
        )
        return
    for bill in bills:
        show(bill)
    output.line(f"{prices.REGION}, arm64, list prices as known in {prices.AS_OF}; compare with AWS's pages.")
    output.line(f"Times: {figures.where}.")


def show(bill: "Bill") -> None:
    """A bill as a table with its sum."""
    rows = [
        (
            line.what,
            f"{line.units:,.0f}" if line.units >= 10 else f"{line.units:.3g}",
            line.unit,
            f"${line.list_price:,.4f}",
            f"${line.after_free:,.4f}",
        )
        for line in bill.lines
    ]
    rows.append(("sum", "", "", f"${bill.list_price:,.4f}", f"${bill.after_free:,.4f}"))
    output.table(("for", "units", "unit", "list price", "after free tier"), rows, title=f"\n{bill.title}")
