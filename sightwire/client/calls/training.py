"""Training runs."""

from collections.abc import Mapping
from typing import Any

from sightwire.client.calls.request import Call, json_reader, path_segment
from sightwire.contracts.training import TrainingRun


def request_training(run: str, configuration: Mapping[str, Any]) -> Call[TrainingRun]:
    return Call(
        "POST",
        _RUNS,
        json_reader(TrainingRun.model_validate),
        body={"run": run, "configuration": dict(configuration)},
        # Asked for twice a run is gone on with twice, which does no harm but takes a trainer's time.
        repeatable=False,
    )


def list_training() -> Call[list[TrainingRun]]:
    def read(answer: Any) -> list[TrainingRun]:
        return [TrainingRun.model_validate(entry) for entry in answer["runs"]]

    return Call("GET", _RUNS, json_reader(read))


def get_training(run: str) -> Call[TrainingRun]:
    return Call("GET", _path(run), json_reader(TrainingRun.model_validate))


def cancel_training(run: str) -> Call[TrainingRun]:
    return Call("DELETE", _path(run), json_reader(TrainingRun.model_validate), repeatable=False)


def training_events_path(run: str) -> str:
    """Path of the server-sent events that follow a run until it has ended."""
    return f"{_path(run)}/events"


_RUNS = "/v1/training/runs"


def _path(run: str) -> str:
    return f"{_RUNS}/{path_segment(run)}"
