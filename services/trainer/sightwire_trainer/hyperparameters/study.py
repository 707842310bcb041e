"""A study in a file: its trials outlive the process, and what was interrupted goes on."""

import fcntl
import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from sightwire.errors import ConflictError, InvalidInputError
from sightwire_trainer.hyperparameters.space import (
    HyperbandPruner,
    IndexSpace,
    MedianPruner,
    NoPruner,
    Pruner,
    Sampler,
    TpeSampler,
    TrainingSpace,
)

_SQLITE: Final = (".db", ".sqlite", ".sqlite3")
_NAME: Final = "sightwire"
#: Attribute of a study: what it searches in.
_SPACE: Final = "space"
#: Attribute of a trial that was interrupted, and does not count.
_INTERRUPTED: Final = "interrupted"
#: Attribute of a trial that goes on with an interrupted one: the first one's number, which names its folder.
_GOES_ON: Final = "goes_on"
REASON: Final = "reason"


@contextmanager
def opened_study(file: Path, space: TrainingSpace | IndexSpace, *, base: object, epochs: int) -> Iterator[optuna.Study]:
    """The study in `file`, begun if there is none: SQLite for `.db` and `.sqlite`, else Optuna's journal.

    Trials that were running when an earlier process ended are queued again.

    Args:
        base: what is not searched for, as JSON would have it: values are comparable only where it is the same.
        epochs: of a trial that is not pruned.

    Raises:
        ConflictError: another process works on the study, or it is of another space or base.
        InvalidInputError: the file is no study.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(file):
        # Optuna marks what `_sampler` uses as experimental, which says nothing to whoever searches.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            study = optuna.create_study(
                storage=_storage(file),
                study_name=_NAME,
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(space.pruner if isinstance(space, TrainingSpace) else NoPruner(kind="none"), epochs),
            )
        except Exception as error:
            # Whatever storage libraries raise for a file that they did not write.
            raise InvalidInputError(f"{file} cannot be opened as a study: {error}; name another --study") from error
        study.sampler = _sampler(space.sampler, begun=len(study.get_trials(deepcopy=False)))
        _require_same(study, file, space, base)
        _queue_interrupted(study)
        yield study


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ended, well or not."""
    return [
        trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished() and not is_interrupted(trial)
    ]


def is_interrupted(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get(_INTERRUPTED))


def first_number(trial: FrozenTrial | optuna.Trial) -> int:
    """The number of the trial that this one goes on with, or its own."""
    number: int = trial.user_attrs.get(_GOES_ON, trial.number)
    return number


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The one with the highest value; None before any is complete."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def _queue_interrupted(study: optuna.Study) -> None:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        optuna_trial = optuna.Trial(study, trial._trial_id)
        optuna_trial.set_user_attr(_INTERRUPTED, True)
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs={_GOES_ON: first_number(trial)})


def reported_before(study: optuna.Study, trial: optuna.Trial) -> dict[int, float]:
    """Values by epoch of the trials that this one goes on with."""
    values: dict[int, float] = {}
    for earlier in study.get_trials(deepcopy=False):
        if earlier.number != trial.number and first_number(earlier) == first_number(trial):
            values.update(earlier.intermediate_values)
    return values


def _require_same(study: optuna.Study, file: Path, space: TrainingSpace | IndexSpace, base: object) -> None:
    searched: dict[str, Any] = space.model_dump(mode="json", exclude={"sampler", "pruner"})
    fingerprint = hashlib.sha256(json.dumps([searched, base], sort_keys=True).encode()).hexdigest()
    known = study.user_attrs.get(_SPACE)
    if known is None:
        study.set_user_attr(_SPACE, fingerprint)
    elif known != fingerprint:
        raise ConflictError(
            f"{file} is a study of another space or another configuration, whose values cannot be compared with these; "
            "name another --study"
        )


def _storage(file: Path) -> optuna.storages.BaseStorage:
    if file.suffix in _SQLITE:
        return optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}")
    return optuna.storages.JournalStorage(JournalFileBackend(str(file)))


def _sampler(sampler: Sampler, *, begun: int) -> optuna.samplers.BaseSampler:
    # A study that goes on must not draw again what it drew first.
    seed = None if sampler.seed is None else sampler.seed + begun
    if isinstance(sampler, TpeSampler):
        # The constant liar keeps workers from trying the same at the same time.
        return optuna.samplers.TPESampler(n_startup_trials=sampler.startup_trials, seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


def _pruner(pruner: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    match pruner:
        case MedianPruner():
            return optuna.pruners.MedianPruner(
                n_startup_trials=pruner.startup_trials, n_warmup_steps=pruner.warmup_epochs
            )
        case HyperbandPruner():
            return optuna.pruners.HyperbandPruner(
                min_resource=pruner.min_epochs,
                max_resource=max(epochs, pruner.min_epochs),
                reduction_factor=pruner.reduction_factor,
            )
        case NoPruner():
            return optuna.pruners.NopPruner()


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    # Not `.lock`: that is the journal's own.
    with file.with_name(f"{file.name}.in-use").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another process works on the study {file}; let one have more --workers instead"
            ) from None
        yield
