"""Settings of the trainer: `SIGHTWIRE_TRAINER_*`, next to the shared `SIGHTWIRE_*`."""

from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from sightwire.settings import SharedSettings


class TrainerSettings(SharedSettings):
    """Where runs lie and how much of the machine they get."""

    trainer_runs_dir: Path = Field(
        default=Path("data/trainer/runs"),
        description="Folder with one for each run; trainers that share the work share it, too",
    )
    trainer_data_dir: Path = Field(
        default=Path("data/trainer/sets"), description="Relative paths in requested configurations are of this folder"
    )
    trainer_cache_dir: Path = Field(
        default=Path("data/trainer/cache"), description="Folder that keeps what was fetched from collections"
    )
    trainer_runs_at_once: PositiveInt = Field(default=1, description="Runs that one trainer carries out at once")
    trainer_export: bool = Field(default=True, description="Make a model bundle of each completed run")
    trainer_threads: NonNegativeInt = Field(default=0, description="Cores that a run computes with; 0 for all")
    trainer_nice: int = Field(default=10, ge=0, le=19, description="Nice value of runs; 19 gives way the most")
    trainer_max_deaths: PositiveInt = Field(
        default=3, description="Times a run's process may be killed without having come further, until it is `failed`"
    )
    trainer_progress_seconds: PositiveFloat = Field(
        default=1.0, description="Shortest time between two progress messages of a run"
    )
