"""Stores the pipelines that come with the platform, so that they can be run by name."""

import asyncio
import logging

from sightwire.errors import ConflictError
from sightwire_orchestrator.pipelines import shipped_pipelines
from sightwire_orchestrator.storage.pipeline_store import PipelineStore

logger = logging.getLogger(__name__)


async def store_shipped_pipelines(pipelines: PipelineStore) -> None:
    """Stores each in its version, unless it is there.

    Raises:
        UnavailableError: the database does not answer.
    """
    for definition in await asyncio.to_thread(shipped_pipelines):
        try:
            await pipelines.put(definition)
        except ConflictError as error:
            # Somebody has stored another one of this name and version, which stays.
            logger.warning("a shipped pipeline is not stored", extra={"pipeline": definition.name, "error": str(error)})
