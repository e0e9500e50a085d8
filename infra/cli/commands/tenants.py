"""`shoal tenants`: an operator's task, done on the table with AWS credentials, never over HTTP."""

from typing import Annotated

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets

app = typer.Typer(
    no_args_is_help=True, help="Create and list tenants, set their quotas (needs AWS credentials)."
)


@app.command(epilog='Example: `shoal tenants create "Research" --json`')
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A label; only shown.")],
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Create a tenant. `shoal keys create --tenant ID` then gives it a key."""
    from shoal.services.tenants import create_tenant

    tenant = create_tenant(targets(ctx).ports(profile), name=name)
    if as_json:
        output.print_json(tenant)
    else:
        output.line(tenant.tenant_id)
        output.note(f"now a key for it: `shoal keys create --tenant {tenant.tenant_id} --name laptop`")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List all tenants, oldest first."""
    from shoal.services.tenants import list_tenants

    tenants = list_tenants(targets(ctx).ports(profile))
    if as_json:
        output.print_json({"tenants": tenants})
        return
    rows = [
        (t.tenant_id, t.name, output.moment(t.created_at), _quota(t.vector_quota), _quota(t.query_quota))
        for t in tenants
    ]
    output.table(("id", "name", "created", "vector quota", "queries a day"), rows)


@app.command(
    "set-quota", epilog="Example: `shoal tenants set-quota ten_… --vectors 100000 --queries default`"
)
def set_quota(
    ctx: typer.Context,
    tenant_id: Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")],
    vectors: Annotated[
        str | None, typer.Option(metavar="N|default", help="Vectors the tenant may store.")
    ] = None,
    queries: Annotated[str | None, typer.Option(metavar="N|default", help="Queries a UTC day.")] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Change a tenant's quotas; what is not named stays. `default` goes back to the deployment's own.

    Keys that were used within the last 60 seconds may still see the quotas of before.
    """
    from shoal.services import tenants as service

    if vectors is None and queries is None:
        raise UsageError("nothing to change", hint="--vectors N, --queries N")
    ports = targets(ctx).ports(profile)
    before = service.get_tenant(ports, tenant_id)
    tenant = service.set_quota(
        ports,
        tenant_id,
        vector_quota=before.vector_quota if vectors is None else _number(vectors, "--vectors"),
        query_quota=before.query_quota if queries is None else _number(queries, "--queries"),
    )
    if as_json:
        output.print_json(tenant)
    else:
        output.line(f"vectors: {_quota(tenant.vector_quota)}, queries a day: {_quota(tenant.query_quota)}")


def _number(text: str, option: str) -> int | None:
    if text == "default":
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{option} takes a number from 0 on, or `default`")
    return int(text)


def _quota(value: int | None) -> str:
    return "default" if value is None else f"{value:,}"
