"""`embed`: vectors of texts or pictures."""

import base64

from pydantic import JsonValue

from sightwire_orchestrator.tasks.builtin.embedder_inputs import EmbedderInputs, embed_inputs
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class EmbedParameters(EmbedderInputs):
    """What to embed."""


@handler("embed")
async def embed(context: TaskContext, parameters: EmbedParameters) -> JsonValue:
    """Embed texts or pictures: {space, rows, dimension, vectors}; vectors are float32, little-endian, in base64."""
    vectors, space = await embed_inputs(context, parameters)
    rows, dimension = vectors.shape
    encoded = base64.b64encode(vectors.astype("<f4", copy=False).tobytes()).decode()
    return {"space": space, "rows": rows, "dimension": dimension, "vectors": encoded}
