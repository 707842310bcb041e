"""How much of the time of training is spent on training: the loop's pictures a second beside the model's own.

The model's own speed is that of its forward and backward pass over one batch that lies in memory. The loop does the
same work, and besides reads, decodes and augments pictures, encodes captions, steps the optimiser and tells its
progress. The first epoch decodes every picture; later ones find them in memory.
"""

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from sightwire_trainer.configuration import TrainingConfiguration, parse_configuration
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.tar_writing import write_tar
from sightwire_trainer.models.building import build_model
from sightwire_trainer.objectives.losses import contrastive_loss
from sightwire_trainer.training.run import train

from bench.command import Benchmark, main
from bench.inputs import pictures, texts
from bench.report import Table
from models.recipes.default_bundle import build_default_bundle
from sightwire.contracts.training import TrainingCompleted, TrainingProgress

_REPOSITORY = Path(__file__).parent.parent
_GOAL = 0.9


@dataclass(frozen=True, slots=True)
class _Size:
    pictures: int
    batch: int
    epochs: int
    #: Passes of the model alone, before the loop and after it.
    passes: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of a step, in seconds: on the clock, and of all cores together."""

    wall: float
    cpu: float


class _Clock:
    """What passes between two looks at it."""

    def __init__(self) -> None:
        self._last = _Cost(time.perf_counter(), time.process_time())

    def since_last(self) -> _Cost:
        last, self._last = self._last, _Cost(time.perf_counter(), time.process_time())
        return _Cost(self._last.wall - last.wall, self._last.cpu - last.cpu)


class _StepCosts:
    """What each step cost, by epoch."""

    def __init__(self) -> None:
        self._clock: _Clock | None = None
        self.costs: dict[int, list[_Cost]] = {}

    def progressed(self, progress: TrainingProgress) -> None:
        if self._clock is None:
            # The first step begins before anybody is told of it.
            self._clock = _Clock()
            return
        self.costs.setdefault(progress.epoch, []).append(self._clock.since_last())

    def evaluated(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        # The next step does not begin before the evaluation is over, which is none of its time.
        self._clock = _Clock()

    def ended(self, completed: TrainingCompleted) -> None:
        pass


async def measure(quick: bool) -> list[Table]:
    """A table of pictures a second."""
    size = _Size(pictures=128, batch=32, epochs=2, passes=3) if quick else _Size(512, 128, 3, 5)
    return await asyncio.to_thread(_measure, size)


def _measure(size: _Size) -> list[Table]:
    with tempfile.TemporaryDirectory() as scratch:
        configuration = _configuration(Path(scratch), size)
        alone = _costs_alone(configuration, size.passes)
        steps = _StepCosts()
        train(configuration, Path(scratch) / "run", listener=steps)
        alone += _costs_alone(configuration, size.passes)
    later = [cost for epoch, costs in steps.costs.items() if epoch for cost in costs]
    ways = {
        "forward and backward alone": alone,
        "loop, first epoch": steps.costs[0],
        "loop, later epochs": later,
    }
    own = statistics.median(cost.wall for cost in alone)
    return [
        Table(
            title=f"Training the default image encoder, batches of {size.batch}, on {_device()}",
            columns=("", "images/s", "share of its own", "CPU ms an image"),
            rows=[_row(way, costs, own, size.batch) for way, costs in ways.items()],
            note=f"Medians of single steps. Aim: {_GOAL} of the model's own speed. Pictures are of 640 x 480, twenty "
            "times the pixels that the model sees.",
        )
    ]


def _row(way: str, costs: list[_Cost], own: float, images: int) -> tuple[str, float, float, float]:
    """`own` is the median of seconds that the model takes alone for as many images."""
    wall = statistics.median(cost.wall for cost in costs)
    return way, images / wall, own / wall, 1000 * statistics.median(cost.cpu for cost in costs) / images


def _configuration(folder: Path, size: _Size) -> TrainingConfiguration:
    validation = 16
    write_tar(folder / "train.tar", _samples(size.pictures, seed=1))
    write_tar(folder / "validation.tar", _samples(validation, seed=2))
    content = {
        "name": "throughput",
        "version": "1",
        "space": "throughput-1",
        "epochs": size.epochs,
        "batch_size": size.batch,
        "precision": "bfloat16" if torch.cuda.is_available() else "float32",
        "data": {
            "train": [{"kind": "tar", "path": "train.tar"}],
            "validation": [{"kind": "tar", "path": "validation.tar"}],
        },
        "model": {"bundle": str(build_default_bundle(_REPOSITORY / ".models"))},
        "checkpoints": {"every_steps": 1_000_000},
    }
    return parse_configuration(content, base=folder, name="the benchmark's configuration")


def _samples(count: int, seed: int) -> list[Sample]:
    pairs = zip(pictures(count, seed), texts(count, seed), strict=True)
    return [Sample(key=f"{seed}-{number}", name=text, image=image) for number, (image, text) in enumerate(pairs)]


def _costs_alone(configuration: TrainingConfiguration, passes: int) -> list[_Cost]:
    """Of each forward and backward pass over one batch of noise."""
    device = torch.device(_device())
    model = build_model(configuration.model, seed=0).to(device)
    count, side = configuration.batch_size, configuration.model.size
    images = torch.rand(count, 3, side, side, device=device)
    captions = torch.nn.functional.normalize(torch.randn(count, configuration.model.dimension, device=device), dim=1)
    concepts, scale = torch.arange(count, device=device), torch.tensor(14.0, device=device)
    dtype = torch.bfloat16 if configuration.precision == "bfloat16" else None
    costs, clock = [], _Clock()
    for _ in range(passes + 1):
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            documents = model.encode_images(images)
        contrastive_loss(documents, captions, concepts, scale).backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize()
        costs.append(clock.since_last())
    # The first pass also allocates memory and chooses kernels.
    return costs[1:]


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


BENCHMARK = Benchmark("training_throughput", measure)

if __name__ == "__main__":
    main(BENCHMARK)
