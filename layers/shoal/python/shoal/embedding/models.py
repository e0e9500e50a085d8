"""The embedding models of a deployment, ready to be asked."""

import threading
import time
from collections.abc import Callable

from shoal.embedding.text_models import TextModel
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry, Provider
from shoal.storage.model_ports import Inference, Outbound


class Models:
    """Opens models by id and keeps them, for as long as a container lives. Several threads may use it.

    Opening one costs nothing: the static model reads its weights when it is first asked.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        *,
        inference: Inference,
        outbound: Outbound,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`pause` lets the seconds between two tries of a busy model pass."""
        self.registry = registry
        self._inference = inference
        self._outbound = outbound
        self._pause = pause
        self._lock = threading.Lock()
        self._open: dict[str, TextModel] = {}

    def open(self, model_id: str) -> TextModel:
        """The model of that id.

        Raises:
            NotFound: code `model_not_found`.
        """
        spec = self.registry.find(model_id)
        with self._lock:  # one of each, or two would share no limit of calls under way
            if model_id not in self._open:
                self._open[model_id] = self._made(spec)
            return self._open[model_id]

    def _made(self, spec: EmbeddingModel) -> TextModel:
        # Imported where it is used: the tokenizer and its weights are not for those who ask a provider.
        match spec.provider:
            case Provider.STATIC:
                from shoal.embedding.static_text import StaticTextModel

                return StaticTextModel(spec)
            case Provider.BEDROCK:
                from shoal.embedding.bedrock import BedrockTextModel

                return BedrockTextModel(spec, self._inference, pause=self._pause)
            case Provider.HTTP:
                from shoal.embedding.http_model import HttpTextModel

                return HttpTextModel(spec, self._outbound, pause=self._pause)
