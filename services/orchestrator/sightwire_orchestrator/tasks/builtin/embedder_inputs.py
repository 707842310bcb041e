"""What the embedder can be given by a task: texts, or pictures of items that the platform has."""

from typing import Self

from pydantic import Field, model_validator

from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.vectors import Vectors


class StoredPictures(TaskParameters):
    """Pictures of items, by the ids of these."""

    collection: str
    items: tuple[str, ...] = Field(min_length=1, max_length=1000)


class EmbedderInputs(TaskParameters):
    """Either of the three."""

    text: str | None = Field(default=None, min_length=1)
    texts: tuple[str, ...] = Field(default=(), max_length=10_000)
    pictures: StoredPictures | None = None

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if sum((self.text is not None, bool(self.texts), self.pictures is not None)) != 1:
            raise ValueError("give one of `text`, `texts` and `pictures`")
        return self


async def embed_inputs(context: TaskContext, inputs: EmbedderInputs) -> tuple[Vectors, str]:
    """A row for each input, and the space.

    Raises:
        SightwireError: the embedder's, or the platform's about an item.
    """
    embedder = context.resources.embedder
    if inputs.pictures is None:
        return await embedder.embed_texts(inputs.texts or (inputs.text or "",))
    files = []
    for number, item in enumerate(inputs.pictures.items):
        context.progress("fetching pictures", done=number, total=len(inputs.pictures.items), unit="pictures")
        files.append(await context.resources.platform.items.picture(inputs.pictures.collection, item))
    return await embedder.embed_images(files)
