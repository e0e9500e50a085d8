"""What a request of this dialect is about: a version of the API, a project and a dataset.

The key alone decides whose request it is. A project id that comes with it, in the query, a header or the name of
the host, must be the one of the key's tenant: whoever mixes up two projects is told, rather than served by the
wrong one.
"""

import re
from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel

from shoal.errors import InvalidInput, NotFound, Unauthenticated
from shoal.http.context import Context
from shoal.http.request import Request
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.http.sanity.errors import sanity_error
from shoal.model.tenants import Scope
from shoal.services.content.projects import read_project

VERSION_PREFIX = "/{version}"
PROJECT_HEADER = "x-sanity-project-id"
_DATASET = re.compile(r"[a-z0-9][-_a-z0-9]{0,63}")
_DATED = re.compile(r"v(\d{4})-(\d\d)-(\d\d)")
_SHOWN = 80
"""Characters of a wrong name that are told again."""
STATUS_NAME = "status"
"""Where a dataset of this name would be listed, the service says whether it is there."""

_PROJECT = Parameter(
    "projectId", "The project, where neither the host nor the header x-sanity-project-id names it."
)
_NOT_OURS = "unauthorized: no valid key, or it is not of the project that the request names"


def check_version(context: Context) -> None:
    """See that the first part of the path is a version: `vX`, `v1` or a date such as `v2023-09-15`.

    Raises:
        NotFound: `version_not_found`.
    """
    version = context.parameters["version"]
    if version in {"vX", "v1"}:
        return
    dated = _DATED.fullmatch(version)
    if dated is not None:
        try:
            date(int(dated[1]), int(dated[2]), int(dated[3]))
        except ValueError:
            pass
        else:
            return
    raise NotFound(
        "version_not_found",
        f"there is no version {version[:_SHOWN]!r} of the API; use vX, v1, or a date such as v2023-09-15",
    )


def project_of(context: Context) -> str:
    """The id of the caller's project, which each one that the request names has to be.

    Raises:
        NotFound: `version_not_found`.
        Unauthenticated: `unauthorized`: the request names another project.
    """
    check_version(context)
    own = read_project(context.ports, context.principal.tenant_id)
    for given in named_projects(context.request):
        if given != own:
            raise Unauthenticated(
                "unauthorized",
                f"Session does not match project host: the key is of the project {own!r}, the request names "
                f"{given[:_SHOWN]!r}; use the project's own id, or change it with PUT /v1/sanity/project",
            )
    return own


def named_projects(request: Request) -> tuple[str, ...]:
    """The projects that a request names: those of the query and the header, or else that of the host."""
    explicit = (*request.query.get("projectId", ()), request.headers.get(PROJECT_HEADER, "").strip())
    found = tuple(each for each in explicit if each)
    if found:
        return found
    of_host = _of_host(request.headers.get("host", ""))
    return () if of_host is None else (of_host,)


def _of_host(host: str) -> str | None:
    """The project in `<project>.api.<domain>` or `<project>.localhost`; other hosts name none."""
    labels = host.strip().lower().rpartition("@")[2].split(":")[0].rstrip(".").split(".")
    of_domain = len(labels) > 2 and labels[1] == "api"
    of_this_machine = len(labels) == 2 and labels[1] == "localhost"
    return labels[0] if of_domain or of_this_machine else None


def dataset_name(context: Context) -> str:
    """The name of the dataset in the path, where a dataset can have it.

    Raises:
        InvalidInput: `invalid_dataset`.
    """
    name = context.parameters["dataset"]
    if not _DATASET.fullmatch(name):
        raise InvalidInput(
            "invalid_dataset",
            f"dataset: {name[:_SHOWN]!r} cannot be the name of one: 1 to 64 of a-z, 0-9, _ and -, of which the "
            "first is a letter or a digit",
        )
    if name == STATUS_NAME:
        raise InvalidInput(
            "invalid_dataset",
            "dataset: none can be called 'status', as GET .../embeddings-index/status answers whether the service "
            "is there; choose another name",
        )
    return name


def project_route(
    method: str,
    template: str,
    handler: Handler,
    scope: Scope,
    summary: str,
    tag: str,
    *,
    answers: Mapping[int, Answer],
    errors: Mapping[int, str],
    request: type[BaseModel] | None = None,
    request_required: bool = True,
    parameters: tuple[Parameter, ...] = (),
) -> Route:
    """A route whose request may name the project, which has to be that of its key."""
    return Route(
        method,
        template,
        handler,
        scope,
        summary,
        tag,
        answers=answers,
        errors={401: _NOT_OURS, **errors},
        request=request,
        request_required=request_required,
        parameters=(_PROJECT, *parameters),
        function="content",
        answer_error=sanity_error,
    )
