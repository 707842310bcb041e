"""What an embedder does so that it serves what is wanted."""

from datetime import UTC, datetime

import pytest
from sightwire_embedder.models.changes import decide_changes

from sightwire.contracts.embedding_models import EmbeddingModel
from sightwire.contracts.models import ModelId


def model(space: str, sha256: str) -> EmbeddingModel:
    return EmbeddingModel(
        model=ModelId(name="m", version="1"),
        space=space,
        bundle_sha256=sha256 * 64,
        files=(),
        requested_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("wanted", "present", "load", "drop", "refused"),
    [
        pytest.param({}, {"s": "0"}, [], [], [], id="nothing but what it was started with"),
        pytest.param({"a": "1"}, {"s": "0"}, ["a"], [], [], id="one more"),
        pytest.param({"a": "1"}, {"s": "0", "a": "1"}, [], [], [], id="it is there, or on its way"),
        pytest.param({"a": "2"}, {"s": "0", "a": "1"}, ["a"], [], [], id="another bundle of its space"),
        pytest.param({}, {"s": "0", "a": "1"}, [], ["a"], [], id="wanted no longer"),
        pytest.param({"s": "0"}, {"s": "0"}, [], [], [], id="wanted, and what it was started with"),
        pytest.param({"s": "1"}, {"s": "0"}, [], [], ["s"], id="instead of what it was started with"),
    ],
)
def test_changes(wanted, present, load, drop, refused):
    changes = decide_changes(
        {space: model(space, sha256) for space, sha256 in wanted.items()},
        present={space: sha256 * 64 for space, sha256 in present.items()},
        started_space="s",
    )
    assert [each.space for each in changes.load] == load
    assert list(changes.drop) == drop
    assert list(changes.refused) == refused
