"""A search, described: the content of a space file in YAML. services/trainer/configurations has documented ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from optuna.trial import Trial
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sightwire.contracts.collections import Metric
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import read_content
from sightwire_trainer.hyperparameters.ranges import Range, Value

Count = Annotated[int, Field(ge=1)]
Parameters = Annotated[dict[str, Range], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TpeSampler(_Part):
    """Tree-structured Parzen estimator (Bergstra et al. 2011): tries more of what did well, after a random start."""

    kind: Literal["tpe"] = "tpe"
    startup_trials: Count = 10
    seed: int | None = Field(default=None, description="None: other values in each search")


class RandomSampler(_Part):
    """Values by chance alone."""

    kind: Literal["random"]
    seed: int | None = None


class MedianPruner(_Part):
    """Ends a trial that does worse than half of those before did after as many epochs."""

    kind: Literal["median"] = "median"
    startup_trials: int = Field(default=5, ge=0, description="Trials that must have ended before any is pruned")
    warmup_epochs: int = Field(default=0, ge=0, description="Epochs in which no trial is pruned")


class HyperbandPruner(_Part):
    """Gives many trials few epochs and few trials many (Li et al. 2018)."""

    kind: Literal["hyperband"]
    min_epochs: Count = 1
    reduction_factor: int = Field(default=3, ge=2)


class NoPruner(_Part):
    """Every trial goes to its end."""

    kind: Literal["none"]


Sampler = Annotated[TpeSampler | RandomSampler, Field(discriminator="kind")]
Pruner = Annotated[MedianPruner | HyperbandPruner | NoPruner, Field(discriminator="kind")]


class TrainingSpace(_Part):
    """Keys of a training configuration; what is looked for is the highest `select_by` on the validation set."""

    of: Literal["training"]
    sampler: Sampler = TpeSampler()
    pruner: Pruner = MedianPruner()
    parameters: Parameters


class IndexSpace(_Part):
    """Parameters of a vector index; what is looked for is the best recall within a budget of time."""

    of: Literal["index"]
    sampler: Sampler = TpeSampler()
    vectors: Path = Field(description=".npy of float32 [rows, dimension], that are indexed")
    queries: Path | None = Field(
        default=None, description=".npy of the same dimension; none: rows of `vectors`, kept out"
    )
    queries_at_most: Count = Field(default=500, description="Queries that are asked in each trial")
    metric: Metric = Metric.COSINE
    k: Count = 10
    milliseconds: float = Field(gt=0, description="Median time of a search, of one query by one thread, at most")
    threads: Count = Field(default=2, description="That build an index")
    fixed: dict[str, Value] = Field(default_factory=dict, description="Parameters that stay, such as `type: hnsw_sq`")
    parameters: Parameters


SearchSpace = Annotated[TrainingSpace | IndexSpace, Field(discriminator="of")]
_SPACES: Final[TypeAdapter[SearchSpace]] = TypeAdapter(SearchSpace)


def read_space(path: Path) -> TrainingSpace | IndexSpace:
    """The space in a YAML file; its relative paths are of the file's folder.

    Raises:
        InvalidInputError: the file cannot be read or does not describe a search; the message says where.
    """
    content = read_content(path)
    try:
        space = _SPACES.validate_python(content)
    except ValidationError as error:
        faults = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False))
        raise InvalidInputError(f"{path} does not describe a search: {faults}") from None
    if isinstance(space, IndexSpace):
        queries = None if space.queries is None else path.parent / space.queries
        return space.model_copy(update={"vectors": path.parent / space.vectors, "queries": queries})
    return space


def suggested(parameters: Mapping[str, Range], trial: Trial) -> dict[str, Value]:
    """A value for each parameter."""
    return {name: range_.suggested(name, trial) for name, range_ in parameters.items()}


def shown(parameters: Mapping[str, Range], stored: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a trial as a file says them; Optuna has the places of choices."""
    values: dict[str, Value] = {}
    for name, value in stored.items():
        range_ = parameters[name]
        values[name] = range_.of[value] if range_.kind == "choice" else value
    return values


def _place(location: tuple[int | str, ...]) -> str:
    # The names of the kinds that were tried are no keys of the file.
    kinds = {"training", "index", "float", "int", "choice", "tpe", "random", "median", "hyperband", "none"}
    return ".".join(str(part) for part in location if part not in kinds) or "the whole"
