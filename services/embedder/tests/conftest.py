"""Fixtures of the embedder's tests: the default bundle, its engine, and photographs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sightwire_embedder.engine import EmbeddingEngine

from models.recipes.default_bundle import build_default_bundle

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def bundle_folder() -> Path:
    """The complete default bundle, built if it is not there yet."""
    return build_default_bundle(REPOSITORY / ".models")


@pytest.fixture(scope="session")
def photos() -> Path:
    """Folder with the photographs astronaut.jpg, chelsea.jpg (a cat) and coffee.jpg."""
    return REPOSITORY / "tests" / "fixtures" / "photos"


@pytest.fixture(scope="session")
def engine_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's engines keep their measurements, so that only the first one measures."""
    return tmp_path_factory.mktemp("embedder")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(bundle_folder: Path, engine_data_folder: Path) -> AsyncIterator[EmbeddingEngine]:
    """The default bundle, served."""
    async with EmbeddingEngine(bundle_folder, engine_data_folder) as entered:
        yield entered
