"""Searches: how many trials they take, what goes on after an interruption, what is pruned, what they leave."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from optuna.trial import TrialState
from sightwire_trainer.configuration import read_configuration
from sightwire_trainer.hyperparameters.base_configuration import BaseConfiguration
from sightwire_trainer.hyperparameters.searching import (
    Completed,
    Failed,
    Interrupted,
    Pruned,
    StudyThread,
    TrialEnd,
    search,
)
from sightwire_trainer.hyperparameters.space import TrainingSpace, suggested
from sightwire_trainer.hyperparameters.study import (
    best_trial,
    finished_trials,
    first_number,
    opened_study,
    reported_before,
)
from sightwire_trainer.hyperparameters.training_trials import TrainingTrials

from services.trainer.tests.tiny_runs import picture_content
from sightwire.errors import ConflictError, InvalidInputError, SightwireError
from tests.plugin.waiting import wait_until

_FILES = ["study.db", "study.journal"]


def _space(**changes: Any) -> TrainingSpace:
    content = {
        "of": "training",
        "sampler": {"kind": "random", "seed": 0},
        "pruner": {"kind": "none"},
        "parameters": {"optimiser.head_rate": {"kind": "float", "low": 1e-4, "high": 1e-2, "log": True}},
    }
    return TrainingSpace.model_validate(content | changes)


async def _rate(thread: StudyThread, trial: optuna.Trial) -> float:
    values = await thread.do(lambda _study: suggested(_space().parameters, trial))
    rate = values["optimiser.head_rate"]
    assert isinstance(rate, float)
    return rate


async def _worth_its_rate(thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
    return Completed(await _rate(thread, trial))


@pytest.mark.parametrize("file", _FILES)
@pytest.mark.parametrize("workers", [1, 3])
async def test_a_study_goes_on_until_it_has_as_many_trials_as_are_wanted(
    tmp_path: Path, file: str, workers: int
) -> None:
    for wanted in (2, 5, 5):
        with opened_study(tmp_path / file, _space(), base={}, epochs=1) as study:
            await search(study, _worth_its_rate, trials=wanted, workers=workers, stopping=asyncio.Event())
            trials = finished_trials(study)
            best = best_trial(study)
        assert [trial.number for trial in trials] == list(range(wanted))
        assert best is not None
        assert best.value == max(trial.params["optimiser.head_rate"] for trial in trials)


@pytest.mark.parametrize("file", _FILES)
async def test_what_was_interrupted_goes_on_and_counts_once(tmp_path: Path, file: str) -> None:
    stopping = asyncio.Event()

    async def interrupted(thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
        await _rate(thread, trial)
        await thread.do(lambda _study: trial.report(0.5, 1))
        stopping.set()
        return Interrupted()

    with opened_study(tmp_path / file, _space(), base={}, epochs=3) as study:
        await search(study, interrupted, trials=2, workers=1, stopping=stopping)
        assert not finished_trials(study)
        rate = study.trials[0].params["optimiser.head_rate"]

    seen: list[tuple[int, float, dict[int, float]]] = []

    async def completed(thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
        earlier = await thread.do(lambda study: reported_before(study, trial))
        seen.append((first_number(trial), await _rate(thread, trial), earlier))
        return Completed(1.0)

    with opened_study(tmp_path / file, _space(), base={}, epochs=3) as study:
        await search(study, completed, trials=2, workers=1, stopping=asyncio.Event())
        assert len(finished_trials(study)) == 2
    assert seen[0] == (0, rate, {1: 0.5})
    assert seen[1][1] != rate
    assert seen[1][2] == {}


async def test_pruned_and_failed_trials_count_and_say_so(tmp_path: Path) -> None:
    ends: list[TrialEnd] = [Pruned(), Failed("too large"), Completed(0.5)]

    async def ended(_thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
        return ends[trial.number]

    with opened_study(tmp_path / "study.db", _space(), base={}, epochs=1) as study:
        await search(study, ended, trials=3, workers=1, stopping=asyncio.Event())
        trials = finished_trials(study)
    assert [trial.state for trial in trials] == [TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE]
    assert trials[1].user_attrs["reason"] == "too large"


async def test_a_search_in_which_everything_fails_ends_and_says_why(tmp_path: Path) -> None:
    async def failed(_thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
        return Failed(f"no data for trial {trial.number}")

    with (
        opened_study(tmp_path / "study.db", _space(), base={}, epochs=1) as study,
        pytest.raises(SightwireError, match="3 trials in a row failed; the last one: no data for trial 2"),
    ):
        await search(study, failed, trials=100, workers=1, stopping=asyncio.Event())


def test_a_study_belongs_to_one_process_one_space_and_one_base(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    with opened_study(file, _space(), base={"epochs": 3}, epochs=3):  # noqa: SIM117  the second while the first is open
        with (
            pytest.raises(ConflictError, match="another process works on the study"),
            opened_study(file, _space(), base={"epochs": 3}, epochs=3),
        ):
            pass
    other = _space(parameters={"optimiser.head_rate": {"kind": "float", "low": 1e-5, "high": 1e-2}})
    for space, base in ((other, {"epochs": 3}), (_space(), {"epochs": 4})):
        with (
            pytest.raises(ConflictError, match="another space or another configuration"),
            opened_study(file, space, base=base, epochs=3),
        ):
            pass
    with opened_study(file, _space(sampler={"kind": "tpe"}), base={"epochs": 3}, epochs=3):
        pass


def test_a_file_that_is_no_study_is_told(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    file.write_bytes(b"no database at all, but long enough to be looked at " * 20)
    with (
        pytest.raises(InvalidInputError, match="cannot be opened as a study"),
        opened_study(file, _space(), base={}, epochs=1),
    ):
        pass


@pytest.fixture
def base(tmp_path: Path, bundle_folder: Path) -> Path:
    content = picture_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    path = tmp_path / "base.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.timeout(300)
async def test_a_trial_that_does_worse_than_others_is_pruned(tmp_path: Path, base: Path) -> None:
    _change(base, epochs=2000)
    space = _space(pruner={"kind": "median", "startup_trials": 1})
    trials = TrainingTrials(space, BaseConfiguration(base), tmp_path / "trials", threads=1)
    with opened_study(tmp_path / "study.db", space, base={}, epochs=2000) as study:
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE, value=2.0, intermediate_values=dict.fromkeys(range(1, 2001), 2.0)
            )
        )
        await search(study, trials.carry_out, trials=2, workers=1, stopping=asyncio.Event())
        pruned = finished_trials(study)[1]
    assert pruned.state is TrialState.PRUNED
    assert 1 <= len(pruned.intermediate_values) < 2000


@pytest.mark.timeout(300)
def test_the_command_searches_goes_on_and_writes_the_best_configuration(tmp_path: Path, base: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(_space().model_dump(mode="json")), encoding="utf-8")
    study = tmp_path / "studies" / "tiny.journal"
    command = ["tune", str(space), "--config", str(base), "--study", str(study), "--threads", "1", "--json"]

    first = _run(*command, "--trials", "2", "--workers", "2")
    assert first.returncode == 0, first.stderr
    second = _run(*command, "--trials", "3")
    assert second.returncode == 0, second.stderr

    report = json.loads(second.stdout)
    assert [trial["state"] for trial in report["trials"]] == ["complete"] * 3
    assert [trial["values"] for trial in report["trials"][:2]] == [
        trial["values"] for trial in sorted(json.loads(first.stdout)["trials"], key=lambda trial: trial["trial"])
    ]
    best = read_configuration(study.with_name("tiny.best.yaml"))
    assert best.optimiser.head_rate == report["best"]["values"]["optimiser.head_rate"]
    assert best.data == read_configuration(base).data
    assert (study.parent / "tiny-trials" / "0002" / "log.jsonl").is_file()
    refused = _run(*command[:2], "--study", str(study))
    assert refused.returncode == 1
    assert "--config" in refused.stderr


@pytest.mark.timeout(300)
async def test_an_interrupted_search_goes_on_with_the_trial_that_was_running(tmp_path: Path, base: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(_space().model_dump(mode="json")), encoding="utf-8")
    study, log = tmp_path / "tiny.db", tmp_path / "tiny-trials" / "0000" / "log.jsonl"
    _change(base, epochs=60, evaluate_every=30)
    command = ["tune", str(space), "--config", str(base), "--study", str(study), "--threads", "1", "--json"]

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sightwire.cli", *command, "--trials", "1", stdout=asyncio.subprocess.PIPE
    )
    await wait_until(lambda: log.exists() and log.stat().st_size > 0, 120)
    process.send_signal(signal.SIGTERM)
    output, _ = await process.communicate()
    assert process.returncode == 3
    assert json.loads(output)["interrupted"]

    resumed = await asyncio.to_thread(_run, *command, "--trials", "1")
    assert resumed.returncode == 0, resumed.stderr
    assert [trial["state"] for trial in json.loads(resumed.stdout)["trials"]] == ["complete"]
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "step"] == list(range(1, 181))


@pytest.mark.timeout(200)
def test_the_command_searches_for_index_parameters(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.save(tmp_path / "vectors.npy", random.normal(size=(2000, 16)).astype(np.float32))
    content = {
        "of": "index",
        "sampler": {"kind": "random", "seed": 0},
        "vectors": "vectors.npy",
        "queries_at_most": 50,
        "milliseconds": 1000.0,
        "parameters": {
            "m": {"kind": "choice", "of": [4, 16]},
            "ef_construction": {"kind": "int", "low": 16, "high": 64},
            "ef_search": {"kind": "int", "low": 8, "high": 128, "log": True},
        },
    }
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(content), encoding="utf-8")

    done = _run("tune", str(space), "--study", str(tmp_path / "index.db"), "--trials", "6", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    recalls = [trial["notes"]["recall"] for trial in report["trials"]]
    assert max(recalls) == report["best"]["value"] > 0.9
    assert min(recalls) < max(recalls)
    best = yaml.safe_load((tmp_path / "index.best.yaml").read_text())["index"]
    assert (best["type"], best["m"]) == ("hnsw", report["best"]["values"]["m"])


def _change(configuration: Path, **changes: Any) -> None:
    content = yaml.safe_load(configuration.read_text(encoding="utf-8"))
    configuration.write_text(yaml.safe_dump(content | changes), encoding="utf-8")


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sightwire.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
