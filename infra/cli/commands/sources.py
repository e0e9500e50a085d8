"""`shoal sources`: where INGEST_UPSTREAM pulls a tenant's records from; an operator's task, done on the table."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import output
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from shoal.model.sources import UpstreamSource

app = typer.Typer(
    no_args_is_help=True,
    help="Say from which bucket of yours INGEST_UPSTREAM may pull a tenant's records (needs AWS credentials).",
)
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="The media type: audio, image or model_3d.")]


@app.command(epilog="Example: `shoal sources add ten_… image s3://my-catalogue/dumps/image --format parquet`")
def add(
    ctx: typer.Context,
    tenant_id: Tenant,
    model: Model,
    url: Annotated[
        str,
        typer.Argument(
            metavar="S3-URL",
            help="A folder, an object, or a whole bucket: s3://bucket/folder. Never Shoal's.",
        ),
    ],
    file_format: Annotated[
        str,
        typer.Option("--format", metavar="ndjson|parquet", help="What the objects are; NDJSON may be gzip."),
    ] = "ndjson",
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Register the source of a media type, in place of the one before.

    What lets Shoal read the bucket is that the setting `ingest_buckets` names it.
    """
    from shoal.services.sources import put_source

    made = put_source(targets(ctx).ports(profile), tenant_id, model, url, file_format)
    if as_json:
        output.print_json(_as_object(made))
        return
    output.line(f"{made.model} comes from {made.url} ({made.format.value})")
    output.note(f"Shoal reads the bucket if the deployment's ingest_buckets names it: {made.bucket}")


@app.command("list")
def list_(
    ctx: typer.Context, tenant_id: Tenant, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """List the sources of a tenant."""
    from shoal.services.sources import list_sources

    found = list_sources(targets(ctx).ports(profile), tenant_id)
    if as_json:
        output.print_json({"sources": [_as_object(source) for source in found]})
    elif found:
        rows = [(each.model, each.url, each.format.value, output.moment(each.created_at)) for each in found]
        output.table(("model", "source", "format", "registered"), rows)
    else:
        output.note(f"no sources yet: `shoal sources add {tenant_id} image s3://bucket/folder`")


@app.command()
def remove(
    ctx: typer.Context,
    tenant_id: Tenant,
    model: Model,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Forget the source of a media type. What was pulled stays, and a task that pulls already goes on."""
    from shoal.services.sources import drop_source

    drop_source(targets(ctx).ports(profile), tenant_id, model)
    if as_json:
        output.print_json({"removed": model})
    else:
        output.line(f"{model} has no source any more")


def _as_object(source: "UpstreamSource") -> dict[str, Any]:
    return {
        "model": source.model,
        "source": source.url,
        "format": source.format.value,
        "created_at": output.moment(source.created_at),
    }
