"""The head alone, before the first epoch: the trunk's features of all pictures are computed once and kept."""

from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import nn

from sightwire.bundles.preprocessing import encoder_pixels
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import HeadFirst, TrainingConfiguration
from sightwire_trainer.data.batch_order import BatchOrder
from sightwire_trainer.data.captions import choose_caption
from sightwire_trainer.data.concepts import concept_number
from sightwire_trainer.data.picture_memory import PictureMemory
from sightwire_trainer.data.samples import Batch, BatchPosition, Sample
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.parameter_groups import parameter_groups
from sightwire_trainer.models.two_tower import TwoTowerModel
from sightwire_trainer.objectives.losses import Candidates
from sightwire_trainer.objectives.temperature import Scale
from sightwire_trainer.training.divergence import require_finite
from sightwire_trainer.training.pairs import PairObjective
from sightwire_trainer.training.processes import Processes
from sightwire_trainer.training.schedule import rate_share

_PICTURES_AT_ONCE: Final = 64


def train_head(
    model: TwoTowerModel,
    pictures: PictureMemory,
    configuration: TrainingConfiguration,
    processes: Processes,
    device: torch.device,
    *,
    names: Candidates | None = None,
) -> None:
    """Trains the head of a model of pictures as `configuration.head_first` says; all follows from the seed.

    All processes call it alike, and each computes the features of its share and takes its share of every batch.

    Raises:
        InvalidInputError: the model has no head.
        CorruptDataError: a picture cannot be read.
        DivergedError: a loss is not finite.
    """
    options, tower = configuration.head_first, model.image
    assert options is not None, "a configuration with `head_first`"
    if tower is None or tower.head is None:
        raise InvalidInputError(
            "`head_first` trains the head of a trunk for pictures; this model has none: leave it out"
        )
    own = range(processes.rank, len(pictures), processes.count)
    parts = processes.of_each(_features(tower, pictures, own, options.size or tower.size, device))
    features = torch.empty(len(pictures), parts[0].shape[1])
    for rank, part in enumerate(parts):
        features[rank :: processes.count] = part
    _HeadTraining(model, tower.head, pictures, configuration, options, processes, device, names).go(features)
    # Gradients are shared, statistics of the head's batch norm are not.
    tower.head.load_state_dict(processes.of_first(dict(tower.head.state_dict()) if processes.is_first else None))


@torch.no_grad()
def _features(
    tower: TrunkAndHead, pictures: PictureMemory, numbers: range, size: int, device: torch.device
) -> torch.Tensor:
    """Of the pictures of these numbers, prepared as a bundle prepares them: float32 [numbers, features], on the CPU."""
    was_training = tower.training
    tower.eval()
    parts = []
    for begin in range(0, len(numbers), _PICTURES_AT_ONCE):
        pixels = []
        for number in numbers[begin : begin + _PICTURES_AT_ONCE]:
            sample, picture = pictures.get(number)
            if picture is None:
                raise InvalidInputError(f"`head_first` is for pictures; {sample.key} is a text")
            pixels.append(encoder_pixels(Image.fromarray(picture.transpose(1, 2, 0)), size))
        batch = torch.from_numpy(np.stack(pixels)).to(device).permute(0, 3, 1, 2).float() / 255
        parts.append(tower.features(batch).float().cpu())
    tower.train(was_training)
    return torch.cat(parts)


class _HeadAndScale(nn.Module):
    """What learns, as one module for DistributedDataParallel to wrap; the temperature is forgotten afterwards."""

    def __init__(self, head: nn.Module, scale: Scale) -> None:
        super().__init__()
        self.head = head
        self.scale = scale

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 [batch, features] to vectors, float32 [batch, dimension], and the scale of their similarities."""
        return self.head(features), self.scale()


class _HeadTraining:
    """Steps over batches of features."""

    def __init__(
        self,
        model: TwoTowerModel,
        head: nn.Module,
        pictures: PictureMemory,
        configuration: TrainingConfiguration,
        options: HeadFirst,
        processes: Processes,
        device: torch.device,
        names: Candidates | None,
    ) -> None:
        self._model = model
        self._head = head
        self._configuration = configuration
        self._options = options
        self._processes = processes
        self._device = device
        self._samples = [pictures.get(number)[0] for number in range(len(pictures))]
        without_memory = configuration.objective.model_copy(update={"queue": None, "distillation": 0.0, "teachers": ()})
        self._objective = PairObjective(without_memory, model, device, names=names)
        scale = Scale(without_memory.temperature, learn=without_memory.learn_temperature)
        self._learning = _HeadAndScale(head, scale).to(device)
        self._wrapped = processes.wrap(self._learning)

    def go(self, features: torch.Tensor) -> None:
        """`features` are float32 [samples, features], of all pictures."""
        options, optimiser = self._options, self._configuration.optimiser
        rates = optimiser.model_copy(update={"head_rate": options.rate})
        groups = parameter_groups([("head", self._head)], rates)
        groups.append({"params": list(self._learning.scale.parameters()), "lr": options.rate, "weight_decay": 0.0})
        parameters = [parameter for group in groups for parameter in group["params"]]
        adam = torch.optim.AdamW(groups)
        order = BatchOrder(
            len(features),
            -(-options.batch_size // self._processes.count),
            seed=self._configuration.seed,
            rank=self._processes.rank,
            world_size=self._processes.count,
        )
        self._head.train()
        for step in range(options.steps):
            for group in adam.param_groups:
                group["lr"] = options.rate * rate_share(
                    step, steps=options.steps, warmup=options.warmup, final=optimiser.final_rate
                )
            epoch, number = divmod(step, order.batches_per_epoch)
            numbers = order.batch(epoch, number)
            batch = self._batch(numbers.tolist(), epoch)
            loss = self._loss(features[torch.from_numpy(numbers)].to(self._device), batch)
            require_finite(f"the loss of step {step} of the head alone", self._processes.mean(loss.detach()))
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if optimiser.clip_norm:
                torch.nn.utils.clip_grad_norm_(parameters, optimiser.clip_norm)
            adam.step()

    def _loss(self, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        vectors, scale = self._wrapped(features)
        with torch.no_grad():
            captions = self._model.encode_texts(batch.captions)
        return self._objective.loss(batch, features, vectors, captions, scale)

    def _batch(self, numbers: list[int], epoch: int) -> Batch:
        samples: list[Sample] = [self._samples[number] for number in numbers]
        captions = self._configuration.captions
        seed = self._configuration.seed
        return Batch(
            images=None,
            texts=None,
            captions=tuple(
                choose_caption(sample, captions, np.random.default_rng((seed, epoch, number)))
                for sample, number in zip(samples, numbers, strict=True)
            ),
            concepts=torch.tensor([concept_number(sample) for sample in samples], dtype=torch.int64),
            following=BatchPosition(epoch, 0),
        )
