"""What the trainer counts."""

from prometheus_client import Counter, Gauge

from sightwire.contracts.training import RunState, TrainingProgress

RUNNING = Gauge("sightwire_training_running", "Runs that are carried out now")
_RUNS = Counter(
    "sightwire_training_runs_total",
    "Runs that ended here, by state: completed, cancelled, failed, interrupted (goes on later) or refused",
    ["state"],
)
_SECONDS = Counter("sightwire_training_seconds_total", "Time that runs were carried out")
_DEATHS = Counter("sightwire_training_process_deaths_total", "Processes of runs that died")
_STEP = Gauge("sightwire_training_step", "Step that a run has come to", ["run"])
_STEPS = Gauge("sightwire_training_steps", "Steps of a run in all", ["run"])
_LOSS = Gauge("sightwire_training_loss", "Loss of a run's last step", ["run"])
_SPEED = Gauge("sightwire_training_samples_per_second", "Samples that a run sees in a second", ["run"])
_LEFT = Gauge("sightwire_training_seconds_left", "Time that is left for a run's steps", ["run"])
_MEASURE = Gauge("sightwire_training_measure", "Measure of a run's last evaluation", ["run", "measure"])


def observe_progress(progress: TrainingProgress) -> None:
    """Records how far a run is."""
    run = progress.run
    _STEP.labels(run).set(progress.step)
    _STEPS.labels(run).set(progress.steps)
    _SPEED.labels(run).set(progress.samples_per_second)
    if progress.loss is not None:
        _LOSS.labels(run).set(progress.loss)
    if progress.seconds_left is not None:
        _LEFT.labels(run).set(progress.seconds_left)
    for name, value in progress.measures.items():
        _MEASURE.labels(run, name).set(value)


def forget_run(run: str, measures: dict[str, float]) -> None:
    """Runs that have ended have no progress: their series would stay for ever."""
    for gauge in (_STEP, _STEPS, _SPEED, _LOSS, _LEFT):
        _forget(gauge, run)
    for name in measures:
        _forget(_MEASURE, run, name)


def count_end(state: RunState | str, seconds: float) -> None:
    """Records that a run ended, and how long it was carried out."""
    _RUNS.labels(str(state)).inc()
    _SECONDS.inc(seconds)


def count_death() -> None:
    """Records that a run's process died."""
    _DEATHS.inc()


def _forget(gauge: Gauge, *labels: str) -> None:
    # A run that ended before its first step has none.
    if labels in gauge._metrics:
        gauge.remove(*labels)
