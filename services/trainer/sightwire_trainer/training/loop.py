"""The loop of a run: step, tell, evaluate, checkpoint; and its whole state, to go on from."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sightwire.contracts.training import RunState, TrainingProgress
from sightwire.errors import ConfigurationError, ConflictError
from sightwire_trainer.checkpoints.store import Checkpoint, CheckpointStore
from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.batches import Batches
from sightwire_trainer.data.samples import Batch, BatchPosition
from sightwire_trainer.training.early_stopping import Patience
from sightwire_trainer.training.interruption import Cancelled
from sightwire_trainer.training.mining_schedule import is_mined_before, next_mining_after
from sightwire_trainer.training.plan import StepPlan, batches_of_steps
from sightwire_trainer.training.processes import Processes
from sightwire_trainer.training.progress import Speed, TrainingListener
from sightwire_trainer.training.stepping import Stepper

#: Measures of the model as it is, on the validation set.
Evaluate = Callable[[], dict[str, float]]
#: Hard negatives by the model as it is: int64 [samples, at most], -1 for none.
Mine = Callable[[], NDArray[np.int64]]


@dataclass(slots=True)
class _Standing:
    """How far a run is."""

    step: int = 0
    position: BatchPosition = field(default_factory=lambda: BatchPosition(0, 0))
    measures: dict[str, float] | None = None
    best_measures: dict[str, float] | None = None
    best_step: int | None = None
    patience: Patience = field(default_factory=Patience)


class TrainingLoop:
    """Takes a run from where its last checkpoint is, or from the beginning, to its end."""

    def __init__(
        self,
        configuration: TrainingConfiguration,
        *,
        run: str,
        stepper: Stepper,
        batches: Batches,
        evaluate: Evaluate,
        mine: Mine | None = None,
        store: CheckpointStore,
        processes: Processes,
        listener: TrainingListener,
        cancelled: Cancelled,
    ) -> None:
        self._configuration = configuration
        self._as_json: dict[str, Any] = configuration.model_dump(mode="json")
        self._run = run
        self._stepper = stepper
        self._batches = batches
        self._evaluate = evaluate
        self._mine = mine
        self._hard_negatives: NDArray[np.int64] | None = None
        self._store = store
        self._processes = processes
        self._listener = listener
        self._cancelled = cancelled
        self._plan = StepPlan.of(configuration, batches.batches_per_epoch)
        self._at = _Standing()
        self._saved_step: int | None = None
        self._speed = Speed(time.monotonic())

    @property
    def step(self) -> int:
        return self._at.step

    @property
    def epoch(self) -> int:
        """The epoch of the next batch; as many were seen in full."""
        return self._at.position.epoch

    @property
    def best(self) -> tuple[int | None, dict[str, float]]:
        """Step and measures of the best evaluation."""
        return self._at.best_step, self._at.best_measures or {}

    @property
    def has_stopped_early(self) -> bool:
        limits = self._configuration.early_stopping
        return limits is not None and self._at.patience.is_exhausted(limits)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Goes back to the state of a checkpoint of the same configuration.

        Raises:
            ConflictError: it is of another number of processes.
        """
        state = checkpoint.state
        if state["processes"] != self._processes.count:
            raise ConflictError(
                f"the checkpoint of step {checkpoint.manifest.step} is of {state['processes']} processes, this run has "
                f"{self._processes.count}: start as many, or begin anew with --fresh"
            )
        self._stepper.load_state_dict(state["stepper"], state["chance"][self._processes.rank])
        mined = state.get("hard_negatives")
        if mined is not None:
            self._bring_together(mined.numpy())
        standing = state["standing"]
        self._at = _Standing(
            **standing
            | {"position": BatchPosition(**standing["position"]), "patience": Patience(**standing["patience"])}
        )
        self._saved_step = self._at.step

    def go(self) -> RunState:
        """Takes steps until the last one, until nothing gets better, or until the run is cancelled.

        A cancelled run has a checkpoint of its last step.

        Raises:
            DivergedError: a loss is not finite.
            UnavailableError: a checkpoint cannot be written.
        """
        self._speed = Speed(time.monotonic())
        groups = self._batches_of_steps()
        if not self._plan.steps and self._at.measures is None:
            self._take_measures(epoch=0, loss=None)
        while self._at.step < self._plan.steps and not self.has_stopped_early:
            if self._processes.any(self._cancelled(), self._stepper.device):
                self._save()
                return RunState.CANCELLED
            self._take_step(next(groups))
        if self._saved_step != self._at.step:
            self._save()
        return RunState.COMPLETED

    def _batches_of_steps(self) -> Iterator[list[Batch]]:
        """From where the run is; before an epoch whose batches need other hard negatives, these are mined.

        Batches are made ahead of the steps, those of such an epoch not before its hard negatives are known.
        """
        mining = self._configuration.objective.hard_negatives if self._mine else None
        while True:
            position = self._at.position
            if mining and position.batch == 0 and is_mined_before(position.epoch, mining):
                self._mine_hard_negatives()
            until = next_mining_after(position.epoch, mining) if mining else None
            batches = self._batches.from_position(position, until_epoch=until)
            yield from batches_of_steps(batches, position, self._configuration.accumulate)

    def _mine_hard_negatives(self) -> None:
        started = time.monotonic()
        with self._stepper.evaluating():
            mined = self._processes.of_first(self._mine() if self._mine and self._processes.is_first else None)
        self._bring_together(mined)
        self._speed.paused(time.monotonic() - started)

    def _bring_together(self, hard_negatives: NDArray[np.int64]) -> None:
        self._hard_negatives = hard_negatives
        self._batches.bring_together(hard_negatives)

    def _take_step(self, batches: Sequence[Batch]) -> None:
        at, epoch = self._at, self._at.position.epoch
        loss = self._stepper.take(batches, step=at.step, plan=self._plan)
        at.step += 1
        at.position = batches[-1].following
        at.measures = None
        samples = sum(len(batch.captions) for batch in batches) * self._processes.count
        self._speed.took_step(time.monotonic(), samples)
        self._listener.progressed(self._progress(epoch, loss))
        if at.position.epoch != epoch and self._is_evaluated_after(epoch):
            self._take_measures(epoch, loss)
            self._save()
        elif at.step % self._configuration.checkpoints.every_steps == 0:
            self._save()

    def _is_evaluated_after(self, epoch: int) -> bool:
        return (epoch + 1) % self._configuration.evaluate_every == 0 or epoch + 1 == self._configuration.epochs

    def _take_measures(self, epoch: int, loss: float | None) -> None:
        started, at = time.monotonic(), self._at
        with self._stepper.evaluating():
            measures = self._processes.of_first(self._evaluate() if self._processes.is_first else {})
        self._speed.paused(time.monotonic() - started)
        at.measures = measures
        selected = self._selected(measures)
        if at.best_measures is None or selected > self._selected(at.best_measures):
            at.best_measures, at.best_step = measures, at.step
        if self._configuration.early_stopping is not None:
            at.patience = at.patience.after(selected, self._configuration.early_stopping)
        self._listener.evaluated(self._progress(epoch, loss))

    def _selected(self, measures: dict[str, float]) -> float:
        name = self._configuration.select_by
        if name not in measures:
            raise ConfigurationError(
                f"`select_by` names {name}, which is not measured; expected one of {', '.join(sorted(measures))}"
            )
        return measures[name]

    def _save(self) -> None:
        at = self._at
        chance = self._processes.of_each(self._stepper.chance_state())
        if self._processes.is_first and self._saved_step != at.step:
            mined = self._hard_negatives
            state = {
                "hard_negatives": None if mined is None else torch.from_numpy(mined),
                "stepper": self._stepper.state_dict(),
                "chance": chance,
                "standing": asdict(at),
                "processes": self._processes.count,
            }
            self._store.save(
                state,
                step=at.step,
                epoch=at.position.epoch,
                configuration=self._as_json,
                measures=at.measures,
            )
        self._saved_step = at.step

    def _progress(self, epoch: int, loss: float | None) -> TrainingProgress:
        return TrainingProgress(
            run=self._run,
            step=self._at.step,
            steps=self._plan.steps,
            epoch=epoch,
            loss=loss,
            learning_rate=self._stepper.learning_rate,
            samples_per_second=self._speed.samples_per_second,
            measures=self._at.measures or {},
            seconds_left=self._speed.seconds_left(self._plan.steps - self._at.step),
        )
