"""`shoal keys`: an operator's task, done on the table with AWS credentials."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from shoal.model.tenants import ApiKey

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys (needs AWS credentials).")
TenantOf = Annotated[
    str | None,
    typer.Option("--tenant", metavar="ID", help="The tenant's id. Default: the local stack's own."),
]
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@app.command(epilog="Example: `shoal keys create --tenant ten_… --name ci --scope read --expires 30d`")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="A label, to know it again.")] = "command line",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, write or admin (both, and keys). Repeat it. Default: read and write."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="After how long it stops working: 12h, 30d, 8w.")
    ] = None,
    tenant: TenantOf = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a key. It is shown now and never again."""
    from shoal.model.tenants import DEFAULT_SCOPES, Scope
    from shoal.services.api_keys import create_key

    try:
        scopes = frozenset(Scope(each) for each in scope) if scope else DEFAULT_SCOPES
    except ValueError as error:
        raise UsageError(f"{error}", hint="--scope read, --scope write or --scope admin") from error
    seconds = duration(expires) if expires is not None else None
    ports = targets(ctx).ports(profile)
    made, secret = create_key(
        ports,
        tenant_id=_tenant(ctx, tenant, profile),
        name=name,
        scopes=scopes,
        expires_at=None if seconds is None else ports.clock() + seconds,
    )
    if as_json:
        output.print_json({**_as_object(made), "key": secret})
        return
    output.line(secret)
    until = output.moment(made.expires_at)
    output.note(
        f"this is the only time it is shown. id {made.key_id}, {_scopes(made)}, expires {until or 'never'}"
    )


@app.command("list")
def list_(
    ctx: typer.Context, tenant: TenantOf = None, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """List a tenant's keys, revoked and expired ones too."""
    from shoal.services.api_keys import list_keys

    ports = targets(ctx).ports(profile)
    keys = list_keys(ports, _tenant(ctx, tenant, profile))
    if as_json:
        output.print_json({"keys": [_as_object(key) for key in keys]})
        return
    now = ports.clock()
    rows = [
        (
            key.key_id,
            key.name,
            _scopes(key),
            "valid" if key.valid_at(now) else "revoked" if key.revoked_at is not None else "expired",
            output.moment(key.created_at),
            output.moment(key.expires_at),
            output.moment(key.last_used_at),
        )
        for key in keys
    ]
    output.table(("id", "name", "scopes", "state", "created", "expires", "last used"), rows)


@app.command()
def revoke(
    ctx: typer.Context,
    key_id: Annotated[
        str, typer.Argument(metavar="KEY", help="The key's id: 16 hex digits, not the key itself.")
    ],
    tenant: TenantOf = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Revoke a key for good; it stops working within 60 seconds."""
    from shoal.services.api_keys import revoke_key

    revoke_key(targets(ctx).ports(profile), _tenant(ctx, tenant, profile), key_id)
    if as_json:
        output.print_json({"revoked": key_id})
    else:
        output.line(f"revoked {key_id}; it stops working within 60 seconds")


def duration(text: str) -> float:
    """Seconds of `90m`, `12h`, `30d` or `8w`.

    Raises:
        UsageError: it is none of these.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if match is None:
        raise UsageError(f"{text!r} is no duration", hint="90m, 12h, 30d or 8w")
    return float(int(match[1]) * _UNITS[match[2]])


def _tenant(ctx: typer.Context, given: str | None, profile: str | None) -> str:
    if given is not None:
        return given
    own = targets(ctx).address(profile).tenant_id
    if own is None:
        raise UsageError("which tenant?", hint="--tenant ID; `shoal tenants list` shows them")
    return own


def _scopes(key: "ApiKey") -> str:
    return ", ".join(sorted(key.scopes))


def _as_object(key: "ApiKey") -> dict[str, Any]:
    return {
        "id": key.key_id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": output.moment(key.created_at),
        "expires_at": output.moment(key.expires_at),
        "last_used_at": output.moment(key.last_used_at),
        "revoked_at": output.moment(key.revoked_at),
    }
