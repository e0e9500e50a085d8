"""Wrappers that let `Faults` happen to what belongs to others: their buckets, and who is called back."""

from collections.abc import Iterator, Mapping

from shoal.storage.memory.faults import ANY_CALL, WRITE, Faults
from shoal.storage.memory.faulty import happen
from shoal.storage.model_ports import Answer, Outbound
from shoal.storage.ports import Upstream, UpstreamObject


class FaultyUpstream(Upstream):
    """An `Upstream` that fails as its `Faults` say."""

    def __init__(self, upstream: Upstream, faults: Faults) -> None:
        self._upstream = upstream
        self._faults = faults

    def check(self, bucket: str) -> None:
        """See that a name may be that of somebody else's bucket; nobody is asked."""
        self._upstream.check(bucket)

    def list(self, bucket: str, prefix: str) -> Iterator[UpstreamObject]:
        """The objects below a prefix; the call counts when the first is asked for."""
        fault = self._faults.decide("upstream.list", f"{bucket} {prefix}", ANY_CALL)
        yield from happen(fault, "upstream.list", lambda: self._upstream.list(bucket, prefix))

    def copy(self, bucket: str, source: UpstreamObject, *, to: str) -> None:
        """Copy an object."""
        fault = self._faults.decide("upstream.copy", to, WRITE)
        happen(fault, "upstream.copy", lambda: self._upstream.copy(bucket, source, to=to))


class FaultyOutbound(Outbound):
    """An `Outbound` that fails as its `Faults` say. It asks once: there is no second attempt below it."""

    def __init__(self, outbound: Outbound, faults: Faults) -> None:
        self._outbound = outbound
        self._faults = faults

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], key_parameter: str | None = None
    ) -> Answer:
        """POST a body."""
        fault = self._faults.decide("outbound.post", url, ANY_CALL)
        return happen(
            fault,
            "outbound.post",
            lambda: self._outbound.post(url, body, headers=headers, key_parameter=key_parameter),
        )
