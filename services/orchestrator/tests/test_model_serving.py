"""What is said of models that embedders serve, by what they announce."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sightwire_orchestrator.registry.serving import served_models

from sightwire.bus.embedding_models import WantedModels
from sightwire.contracts.embedding_models import DefaultSpace, EmbedderAnnouncement, EmbeddingModel
from sightwire.contracts.models import ModelId

NOW = datetime(2026, 5, 4, tzinfo=UTC)
OLD, NEW, OTHER = (ModelId(name="tiny", version=version) for version in ("1", "2", "3"))


def embedder(name: str, **members: Any) -> EmbedderAnnouncement:
    said = {"serving": {"old": OLD}, "default_space": "old"} | members
    return EmbedderAnnouncement(embedder=name, address="h:1", announced_at=NOW, **said)


def wanted(*, default: str | None = None) -> WantedModels:
    loaded = EmbeddingModel(model=NEW, space="new", bundle_sha256="0" * 64, files=(), requested_at=NOW)
    switched = None if default is None else DefaultSpace(space=default, switched_at=NOW)
    return WantedModels({"new": loaded}, switched)


BOTH = {"serving": {"old": OLD, "new": NEW}}


@pytest.mark.parametrize(
    ("embedders", "state", "states"),
    [
        ([], "loading", {}),
        ([embedder("a")], "loading", {"a": "loading"}),
        ([embedder("a", loading=("new",)), embedder("b", **BOTH)], "loading", {"a": "loading", "b": "serving"}),
        ([embedder("a", **BOTH), embedder("b", **BOTH)], "serving", {"a": "serving", "b": "serving"}),
        ([embedder("b", failed={"new": "no memory"}), embedder("a")], "failed", {"a": "loading", "b": "failed"}),
        ([embedder("a", serving={"new": OTHER})], "failed", {"a": "failed"}),
    ],
)
def test_a_loaded_model(embedders: list[EmbedderAnnouncement], state: str, states: dict[str, str]) -> None:
    [served] = [one for one in served_models(wanted(), embedders).models if one.space == "new"]
    assert (served.state, {one.embedder: one.state for one in served.embedders}) == (state, states)
    assert (served.model, served.is_loaded, served.is_default) == (NEW, True, False)
    assert [one.embedder for one in served.embedders] == sorted(states)
    reasons = [one.reason for one in served.embedders if one.state == "failed"]
    assert all(reasons)


def test_a_model_that_an_embedder_was_started_with() -> None:
    embedders = [embedder("a"), embedder("b", serving={"new": NEW}, default_space="new")]
    served = served_models(WantedModels({}), embedders)
    assert [(one.space, one.state, len(one.embedders), one.is_loaded) for one in served.models] == [
        ("new", "serving", 1, False),
        ("old", "serving", 1, False),
    ]
    assert not any(one.is_default for one in served.models), "each has another one"


@pytest.mark.parametrize(("default", "expected"), [(None, "old"), ("new", "new")])
def test_the_default(default: str | None, expected: str) -> None:
    served = served_models(wanted(default=default), [embedder("a", **BOTH)])
    assert [one.space for one in served.models if one.is_default] == [expected]
    assert served.default_space == default
