"""A tenant's lists of terms, each one item of the table."""

from collections.abc import Iterable
from dataclasses import dataclass

from shoal.errors import ConditionFailed, Conflict, InvalidInput, NotFound
from shoal.model.terms import MAX_LISTS, SENSITIVE, check_list_name, check_terms
from shoal.services.descriptors import describe_tenant
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import TERM_LIST_PREFIX, TenantKeys
from shoal.storage.ports import Exists, Item, Ports


@dataclass(frozen=True, slots=True)
class TermList:
    """A list as stored; `updated_at` (epoch seconds) is None where it was never set."""

    name: str
    terms: tuple[str, ...]
    updated_at: float | None


def put_terms(ports: Ports, tenant_id: str, name: str, terms: Iterable[str]) -> TermList:
    """Set a list, whatever it was before.

    Raises:
        InvalidInput: `invalid_name`, `invalid_terms`, `too_many_terms`.
        TooLarge: code `term_list_too_large`.
        Conflict: code `too_many_term_lists`.
    """
    key = TenantKeys(tenant_id).term_list(check_list_name(name))
    made = TermList(name, check_terms(terms), ports.clock())
    if _read(ports, tenant_id, name) is None and len(list_term_lists(ports, tenant_id)) >= MAX_LISTS:
        raise Conflict(
            "too_many_term_lists",
            f"a tenant has at most {MAX_LISTS} lists of terms; delete one that is not needed any more",
            {"limit": MAX_LISTS},
        )
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "name": name,
        "terms": "\n".join(made.terms),
        "updated_at": made.updated_at,
    }
    retry_busy(lambda: ports.table.put(item))
    describe_tenant(ports, tenant_id)
    return made


def get_terms(ports: Ports, tenant_id: str, name: str) -> TermList:
    """A list.

    Raises:
        NotFound: code `term_list_not_found`.
    """
    found = _read(ports, tenant_id, _existing(name))
    if found is not None:
        return found
    if name == SENSITIVE:
        return TermList(name, (), None)
    raise _not_found()


def list_term_lists(ports: Ports, tenant_id: str) -> list[TermList]:
    """The lists that were set, by name."""
    items = every_item(ports, TenantKeys(tenant_id).partition, prefix=TERM_LIST_PREFIX)
    return [_parse(item) for item in items]


def drop_terms(ports: Ports, tenant_id: str, name: str) -> None:
    """Forget a list. What was made with it stays as it is.

    Raises:
        NotFound: code `term_list_not_found`.
    """
    key = TenantKeys(tenant_id).term_list(_existing(name))
    try:
        retry_busy(lambda: ports.table.delete(key, condition=Exists("pk")))
    except ConditionFailed as lost:
        if name == SENSITIVE:
            return  # it is empty, as was asked for
        raise _not_found() from lost
    describe_tenant(ports, tenant_id)


def _read(ports: Ports, tenant_id: str, name: str) -> TermList | None:
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).term_list(name)))
    return _parse(item) if item else None


def _parse(item: Item) -> TermList:
    terms = str(item["terms"])
    return TermList(str(item["name"]), tuple(terms.split("\n")) if terms else (), float(item["updated_at"]))


def _existing(name: str) -> str:
    try:
        return check_list_name(name)
    except InvalidInput as error:
        raise _not_found() from error


def _not_found() -> NotFound:
    return NotFound("term_list_not_found", "there is no list of terms of that name")
