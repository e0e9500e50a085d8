"""The part of the composition root that makes embedding models: only functions that embed have what it imports."""

from functools import cache
from typing import TYPE_CHECKING, cast

from shoal import runtime

if TYPE_CHECKING:
    from shoal.embedding.models import Models
    from shoal.storage.model_ports import Inference


@cache
def models(*needs: str) -> "Models":
    """The embedding models of the deployment; the weights of our own are read at their first use.

    Raises:
        SettingsError: names the variables that are missing or wrong.
    """
    # Imported at the first request, as the adapters of `shoal.runtime` are.
    from shoal.embedding.models import Models
    from shoal.storage.aws_clients import bedrock_runtime_client, new_session
    from shoal.storage.aws_inference import AwsInference

    found, session = runtime.settings(*needs), new_session()
    inference = cast("Inference", runtime.Unset("SHOAL_BEDROCK_MODELS"))
    if found.bedrock_models:
        inference = AwsInference(bedrock_runtime_client(session))
    return Models(found.embedding_registry(), inference=inference, outbound=runtime.ports(*needs).outbound)
