"""The API's calls about embedding models and the tenant's own names of them."""

from infra.cli.collections.results import ModelInfo
from infra.cli.paths import model_path
from infra.cli.transport import Transport

_ALIASES = "/v1/model-aliases"


class ModelCalls:
    """Models of one API; made by `ShoalClient.models`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> tuple[ModelInfo, ...]:
        """The models of the deployment."""
        body = self._http.send("GET", "/v1/models").json()
        return tuple(ModelInfo.of(each) for each in body["models"])

    def aliases(self) -> dict[str, str]:
        """The tenant's own names of models, and what they stand for."""
        return dict(self._http.send("GET", _ALIASES).json()["aliases"])

    def set_alias(self, alias: str, model_id: str) -> None:
        """Let a name stand for a model; 404 `model_not_found`."""
        path = f"{_ALIASES}/{model_path(alias)}"
        self._http.send("PUT", path, json={"embedding_model_id": model_id})

    def drop_alias(self, alias: str) -> None:
        """Forget a name; 404 where there is none."""
        self._http.send("DELETE", f"{_ALIASES}/{model_path(alias)}")
