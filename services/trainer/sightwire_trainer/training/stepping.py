"""One step of the optimiser: batches in, a loss out, weights moved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.augmentation import augment
from sightwire_trainer.data.samples import Batch
from sightwire_trainer.models.parameter_groups import is_of_trunk
from sightwire_trainer.models.two_tower import TwoTowerModel
from sightwire_trainer.objectives.losses import Candidates
from sightwire_trainer.training.averaging import AveragedWeights
from sightwire_trainer.training.chance import restore_chance, state_of_chance
from sightwire_trainer.training.divergence import require_finite
from sightwire_trainer.training.pairs import PairEncoder, PairObjective
from sightwire_trainer.training.plan import StepPlan
from sightwire_trainer.training.precision import MixedPrecision
from sightwire_trainer.training.processes import Processes
from sightwire_trainer.training.schedule import rate_share
from sightwire_trainer.training.weights import load_trained_weights, trained_weights


class Stepper:
    """The model, its objective and its optimiser, and everything of them that a step changes."""

    def __init__(
        self,
        configuration: TrainingConfiguration,
        model: TwoTowerModel,
        processes: Processes,
        device: torch.device,
        *,
        names: Candidates | None = None,
    ) -> None:
        """`names` are those of all concepts, on the device, that documents must tell their captions from."""
        self.device = device
        self._configuration = configuration
        self._processes = processes
        self._model = model
        self._encoder = PairEncoder(model, configuration.objective).to(device)
        self._objective = PairObjective(configuration.objective, model, device, names=names)
        rests = configuration.optimiser.frozen_trunk_epochs > 0
        self._wrapped = processes.wrap(self._encoder, parts_may_rest=rests)
        groups = self._encoder.parameter_groups(configuration.optimiser)
        self._optimiser = torch.optim.AdamW(groups, weight_decay=configuration.optimiser.weight_decay)
        self._full_rates = [group["lr"] for group in self._optimiser.param_groups]
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self._precision = MixedPrecision(configuration.precision, device)
        averaging = configuration.averaging
        self._average = AveragedWeights(model, decay=averaging.decay) if averaging else None
        self._augmentation_chance = torch.Generator()
        self._augmentation_chance.manual_seed(configuration.seed + processes.rank)
        self._size = configuration.model.size

    @property
    def learning_rate(self) -> float:
        """The highest of the rates of the last step."""
        return max(float(group["lr"]) for group in self._optimiser.param_groups)

    def take(self, batches: Sequence[Batch], *, step: int, plan: StepPlan) -> float:
        """Takes a step, counted from 0, over batches whose gradients are averaged, and gives their mean loss.

        Raises:
            DivergedError: the loss or its gradients are not finite; weights are as they were.
        """
        self._set_rates(step, plan)
        self._size = plan.size_at(step)
        if self._model.image is not None:
            self._model.image.let_trunk_rest(step < plan.first_of_trunk)
        self._optimiser.zero_grad(set_to_none=True)
        losses = []
        for number, batch in enumerate(batches, start=1):
            with self._gradients_exchanged(number == len(batches)):
                loss = self._loss(batch) / len(batches)
                self._precision.backward(loss)
            losses.append(loss.detach())
        total = self._processes.mean(torch.stack(losses).sum())
        require_finite(f"the loss of step {step}", total)
        self._precision.step(self._optimiser, self._parameters, clip_norm=self._configuration.optimiser.clip_norm)
        self._objective.follow(self._model)
        if self._average is not None and step >= plan.first_averaged:
            self._average.update()
        return total

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """In the block the model has the weights that are the result so far, and does not train."""
        with self._average.applied() if self._average else nullcontext(), torch.no_grad():
            self._model.eval()
            try:
                yield
            finally:
                self._model.train()

    def state_dict(self) -> dict[str, Any]:
        """All that a step depends on, of tensors and plain values; chance is apart, as each process has its own."""
        return {
            "model": trained_weights(self._model),
            "scale": dict(self._encoder.scale.state_dict()),
            "objective": self._objective.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "precision": self._precision.state_dict(),
            "averaging": self._average.state_dict() if self._average else None,
        }

    def chance_state(self) -> dict[str, Any]:
        return state_of_chance(self._augmentation_chance)

    def load_state_dict(self, state: dict[str, Any], chance: dict[str, Any]) -> None:
        """Goes back to what `state_dict` and `chance_state` gave."""
        load_trained_weights(self._model, state["model"])
        self._encoder.scale.load_state_dict(state["scale"])
        self._objective.load_state_dict(state["objective"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._precision.load_state_dict(state["precision"])
        if self._average is not None:
            self._average.load_state_dict(state["averaging"])
        restore_chance(chance, self._augmentation_chance)

    def _loss(self, batch: Batch) -> torch.Tensor:
        documents = self._seen(batch)
        with self._precision.encoding():
            document_vectors, caption_vectors, scale = self._wrapped(documents, batch.captions)
            return self._objective.loss(batch, documents, document_vectors, caption_vectors, scale)

    def _seen(self, batch: Batch) -> torch.Tensor | tuple[str, ...]:
        """What the tower of documents sees of a batch: augmented pictures, or texts."""
        if batch.images is None:
            assert batch.texts is not None, "a batch has pictures or texts"
            return batch.texts
        images = batch.images.to(self.device, non_blocking=True)
        return augment(images, self._configuration.augmentation, self._augmentation_chance, size=self._size)

    def _set_rates(self, step: int, plan: StepPlan) -> None:
        optimiser = self._configuration.optimiser
        for group, full in zip(self._optimiser.param_groups, self._full_rates, strict=True):
            first = plan.first_of_trunk if is_of_trunk(group) else 0
            group["lr"] = full * rate_share(
                step - first, steps=plan.steps - first, warmup=optimiser.warmup, final=optimiser.final_rate
            )

    def _gradients_exchanged(self, is_last: bool) -> Any:
        """Several processes exchange gradients once a step, with the last of its batches."""
        if is_last or not isinstance(self._wrapped, nn.parallel.DistributedDataParallel):
            return nullcontext()
        return self._wrapped.no_sync()
