"""A whole run: data, model, loop, listeners, and the folder that it leaves."""

import time
from pathlib import Path

import torch

from sightwire.contracts.training import RunState, TrainingCompleted
from sightwire_trainer.checkpoints.agreement import require_same_configuration
from sightwire_trainer.checkpoints.store import Checkpoint, CheckpointStore
from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.batches import Batches
from sightwire_trainer.data.datasets import TrainingData, open_training_data
from sightwire_trainer.evaluation.model import evaluate_model
from sightwire_trainer.evaluation.model_encoders import ModelEncoders
from sightwire_trainer.models.building import build_model
from sightwire_trainer.negatives.alikeness import Alikeness
from sightwire_trainer.negatives.mining import NegativeMiner
from sightwire_trainer.training.chance import seed_everything
from sightwire_trainer.training.devices import device_kind
from sightwire_trainer.training.feasibility import require_feasible
from sightwire_trainer.training.folder import RunFolder
from sightwire_trainer.training.head_first import train_head
from sightwire_trainer.training.interruption import Cancelled, never
from sightwire_trainer.training.listeners.json_lines import JsonLinesLog
from sightwire_trainer.training.listeners.tensorboard import TensorBoardLog
from sightwire_trainer.training.loop import Mine, TrainingLoop
from sightwire_trainer.training.names import names_of_concepts
from sightwire_trainer.training.naming import run_name
from sightwire_trainer.training.outcome import TrainingOutcome
from sightwire_trainer.training.processes import Processes, joined_processes
from sightwire_trainer.training.progress import Listeners, TrainingListener
from sightwire_trainer.training.result import best_weights
from sightwire_trainer.training.stepping import Stepper
from sightwire_trainer.training.weights import load_trained_weights


def train(
    configuration: TrainingConfiguration,
    folder: Path,
    *,
    listener: TrainingListener | None = None,
    cancelled: Cancelled = never,
    run: str | None = None,
    fresh: bool = False,
    cache: Path | None = None,
) -> TrainingOutcome:
    """Trains until the end, or goes on where a run in `folder` was interrupted; `fresh` begins anew.

    Blocks the thread. `cancelled` is asked before each step: once true, the run writes a checkpoint and ends, and the
    same call goes on from there. `run` names it in what it tells. With torchrun, all processes call this alike and the
    first one writes.

    Raises:
        ConflictError: the folder has a run of another configuration.
        ConfigurationError: a GPU is wanted and there is none, the measure to select by does not exist, or parts of the
            objective do not fit each other.
        DivergedError: a loss is not finite; checkpoints are as they were before.
        UnavailableError: a checkpoint cannot be written, say on a full disk; those before are intact.
        CorruptDataError: a sample or all checkpoints cannot be read.
        sightwire.client.ApiError, ConnectionFailedError: a platform that has samples or is to find hard negatives
            refuses, or does not answer.
    """
    require_feasible(configuration)
    with joined_processes(device_kind(configuration.device)) as processes:
        return _Run(configuration, RunFolder(folder), processes, run or run_name(configuration)).go(
            listener, cancelled, fresh=fresh, cache=cache
        )


class _Run:
    def __init__(
        self, configuration: TrainingConfiguration, folder: RunFolder, processes: Processes, name: str
    ) -> None:
        self._configuration = configuration
        self._folder = folder
        self._processes = processes
        self._name = name
        self._started = time.monotonic()
        kind = device_kind(configuration.device)
        self._device = torch.device(kind, processes.local_rank) if kind == "cuda" else torch.device(kind)

    def go(
        self, listener: TrainingListener | None, cancelled: Cancelled, *, fresh: bool, cache: Path | None
    ) -> TrainingOutcome:
        store = CheckpointStore(
            self._folder.checkpoints,
            select_by=self._configuration.select_by,
            keep=self._configuration.checkpoints.keep,
        )
        if fresh and self._processes.is_first:
            store.clear()
            self._folder.forget_log()
        checkpoint = None if fresh else self._last_checkpoint(store)
        if self._processes.is_first:
            self._folder.begin(self._configuration)
        listeners = self._listeners(listener, checkpoint.manifest.step if checkpoint else 0)
        loop: TrainingLoop | None = None
        try:
            loop = self._loop(store, listeners, cancelled, cache, goes_on=checkpoint is not None)
            if checkpoint is not None:
                loop.resume(checkpoint)
            outcome = self._outcome(loop, loop.go())
        except Exception as error:
            listeners.ended(self._completed(RunState.FAILED, loop.step if loop else 0, reason=str(error)))
            raise
        listeners.ended(self._completed(outcome.state, outcome.steps, measures=outcome.measures))
        return outcome

    def _last_checkpoint(self, store: CheckpointStore) -> Checkpoint | None:
        """The same in all processes; only the first one sets damaged ones aside."""
        found = store.last() if self._processes.is_first else None
        self._processes.wait()
        if not self._processes.is_first:
            found = store.last()
        if found is not None:
            require_same_configuration(found.manifest, self._configuration.model_dump(mode="json"))
        return found

    def _listeners(self, listener: TrainingListener | None, steps: int) -> Listeners:
        if not self._processes.is_first:
            return Listeners()
        own: list[TrainingListener] = [
            JsonLinesLog(self._folder.log),
            TensorBoardLog(self._folder.tensorboard, first_step=steps + 1),
        ]
        return Listeners([*own, *([listener] if listener else [])])

    def _loop(
        self,
        store: CheckpointStore,
        listener: TrainingListener,
        cancelled: Cancelled,
        cache: Path | None,
        *,
        goes_on: bool,
    ) -> TrainingLoop:
        configuration = self._configuration
        seed_everything(configuration.seed + self._processes.rank)
        data = open_training_data(configuration, cache=cache)
        if self._processes.is_first:
            self._folder.write_card(data.card)
        model = build_model(configuration.model, seed=configuration.seed).to(self._device)
        if configuration.begin_with is not None:
            load_trained_weights(model, best_weights(configuration.begin_with))
        encoders = ModelEncoders(model, size=configuration.model.size, device=self._device)
        batches = Batches(
            data.train,
            configuration,
            rank=self._processes.rank,
            world_size=self._processes.count,
            labels=data.labels,
        )
        names = names_of_concepts(data.train, model) if configuration.objective.all_names else None
        if configuration.head_first is not None and configuration.begin_with is None and not goes_on:
            train_head(model, batches.pictures, configuration, self._processes, self._device, names=names)
        return TrainingLoop(
            configuration,
            run=self._name,
            stepper=Stepper(configuration, model, self._processes, self._device, names=names),
            batches=batches,
            evaluate=lambda: evaluate_model(encoders, data.validation),
            mine=self._miner(data, batches, encoders),
            store=store,
            processes=self._processes,
            listener=listener,
            cancelled=cancelled,
        )

    def _miner(self, data: TrainingData, batches: Batches, encoders: ModelEncoders) -> Mine | None:
        """Who mines hard negatives, in the first process, if anybody does."""
        hard_negatives = self._configuration.objective.hard_negatives
        if hard_negatives is None:
            return None
        alike = Alikeness.of(data.examined, bits=self._configuration.data.near_duplicate_bits)
        keys = [sample.key for sample in data.examined]
        miner = NegativeMiner(hard_negatives, batches.pictures, keys, alike, encoders)
        if self._processes.is_first:
            miner.require_answers()
        return miner.mine

    def _outcome(self, loop: TrainingLoop, state: RunState) -> TrainingOutcome:
        best_step, measures = loop.best
        return TrainingOutcome(
            state=state,
            folder=self._folder.path,
            steps=loop.step,
            epochs=loop.epoch,
            measures=measures,
            best_step=best_step,
            seconds=time.monotonic() - self._started,
            stopped_early=loop.has_stopped_early,
        )

    def _completed(
        self, state: RunState, steps: int, *, reason: str | None = None, measures: dict[str, float] | None = None
    ) -> TrainingCompleted:
        return TrainingCompleted(
            run=self._name,
            state=state,
            reason=reason,
            measures=measures or {},
            steps=steps,
            seconds=time.monotonic() - self._started,
        )
