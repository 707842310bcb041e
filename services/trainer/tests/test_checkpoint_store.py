"""Checkpoints survive what happens to disks and processes, and say what happened."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from sightwire_trainer.checkpoints.agreement import require_same_configuration
from sightwire_trainer.checkpoints.manifest import configuration_digest, read_manifest
from sightwire_trainer.checkpoints.store import CheckpointStore

from services.trainer.tests.full_disks import files_of_at_most
from sightwire.errors import ConflictError, CorruptDataError, UnavailableError

_CONFIGURATION = {"name": "tiny", "epochs": 2, "optimiser": {"head_rate": 0.001}, "data": {"workers": 2}}


def _state(step: int) -> dict[str, Any]:
    return {"step": step, "weights": torch.full((64,), float(step)), "chance": [(1, 2.5, None), "text"]}


def _save(store: CheckpointStore, step: int, **measures: float) -> None:
    store.save(_state(step), step=step, epoch=0, configuration=_CONFIGURATION, measures=measures)


def _steps(store: CheckpointStore) -> list[int]:
    return [manifest.step for manifest in store.manifests()]


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    assert store.last() is None

    _save(store, 7, recall=0.5)

    checkpoint = store.last()
    assert checkpoint is not None
    assert torch.equal(checkpoint.state["weights"], torch.full((64,), 7.0))
    assert checkpoint.state["chance"] == [(1, 2.5, None), "text"]
    assert (checkpoint.manifest.step, checkpoint.manifest.measures) == (7, {"recall": 0.5})
    assert checkpoint.manifest.configuration_sha256 == configuration_digest(_CONFIGURATION)


@pytest.mark.parametrize(
    ("keep", "recalls", "kept"),
    [
        (0, [0.1, 0.2, 0.3], [3]),
        (0, [0.1, 0.3, 0.2], [3, 2]),
        (0, [0.3, 0.3, 0.3], [3, 1]),
        (1, [0.3, 0.1, 0.1, 0.1], [4, 3, 1]),
        (2, [None, None, None, None], [4, 3, 2]),
    ],
)
def test_the_best_and_the_last_stay_and_some_older_ones(
    tmp_path: Path, keep: int, recalls: list[float | None], kept: list[int]
) -> None:
    store = CheckpointStore(tmp_path, select_by="recall", keep=keep)

    for step, recall in enumerate(recalls, start=1):
        _save(store, step, **({"recall": recall} if recall is not None else {}))

    assert _steps(store) == kept
    best = store.best()
    assert (best.manifest.measures["recall"] if best else None) == max((r for r in recalls if r), default=None)


@pytest.mark.parametrize("damage", ["flipped byte", "cut short", "no state", "no manifest", "half a manifest"])
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = CheckpointStore(tmp_path)
    _save(store, 1)
    _save(store, 2)
    last = tmp_path / "step-00000002"
    state, manifest = last / "state.pt", last / "manifest.json"
    content = state.read_bytes()
    if damage == "flipped byte":
        state.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    elif damage == "cut short":
        state.write_bytes(content[:100])
    elif damage == "no state":
        state.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_bytes(manifest.read_bytes()[:40])

    with caplog.at_level(logging.WARNING):
        checkpoint = store.last()

    assert checkpoint is not None
    assert checkpoint.manifest.step == 1
    assert "step-00000002" in caplog.text
    _save(store, 2)
    assert _steps(store) == [2, 1]


def test_nothing_but_damaged_checkpoints_is_an_error(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    _save(store, 1)
    (tmp_path / "step-00000001" / "state.pt").unlink()

    with pytest.raises(CorruptDataError, match="--fresh"):
        store.last()


def test_a_state_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "harm").touch, ())

    store = CheckpointStore(tmp_path)
    store.save({"harm": Harmful()}, step=1, epoch=0, configuration={})

    with pytest.raises(CorruptDataError):
        store.last()
    assert not (tmp_path / "harm").exists()


def test_a_full_disk_leaves_the_checkpoint_before_intact(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    _save(store, 1)

    with files_of_at_most(1024), pytest.raises(UnavailableError, match=r"step-00000001, is intact.*make room"):
        _save(store, 2)

    checkpoint = store.last()
    assert checkpoint is not None
    assert checkpoint.manifest.step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_what_a_killed_process_left_unfinished_is_deleted(tmp_path: Path) -> None:
    (tmp_path / ".writing-step-00000001-abc").mkdir()
    store = CheckpointStore(tmp_path)

    _save(store, 2)

    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 3}, r"epochs \(was 2, is 3\)"),
        ({"optimiser": {"head_rate": 0.01}}, r"optimiser.head_rate \(was 0.001, is 0.01\)"),
        ({"averaging": {"decay": 0.9}}, r"averaging \(was absent, is \{'decay': 0.9\}\)"),
        ({"name": "other"}, None),
        ({"data": {"workers": 0}}, None),
    ],
)
def test_another_configuration_is_told_by_its_keys(tmp_path: Path, change: dict[str, Any], named: str | None) -> None:
    store = CheckpointStore(tmp_path)
    _save(store, 1)
    manifest = read_manifest(tmp_path / "step-00000001")

    if named is None:
        require_same_configuration(manifest, _CONFIGURATION | change)
        return
    with pytest.raises(ConflictError, match=named):
        require_same_configuration(manifest, _CONFIGURATION | change)
