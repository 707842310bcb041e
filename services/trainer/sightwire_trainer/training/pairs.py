"""What a step minimises: how badly the pairs of a batch find each other, and how far teachers are."""

from typing import Any

import torch
from torch import nn

from sightwire_trainer.configuration import ObjectiveConfiguration, OptimiserConfiguration
from sightwire_trainer.data.samples import Batch
from sightwire_trainer.models.two_tower import TwoTowerModel
from sightwire_trainer.objectives.concept_contrast import concept_contrast_loss
from sightwire_trainer.objectives.distillation import distillation_loss
from sightwire_trainer.objectives.losses import Candidates, SoftTargets, contrastive_loss
from sightwire_trainer.objectives.momentum import MomentumModel
from sightwire_trainer.objectives.queue import MomentumQueue
from sightwire_trainer.objectives.temperature import Scale
from sightwire_trainer.training.teachers import Teachers
from sightwire_trainer.training.weights import load_trained_weights, trained_weights


class PairEncoder(nn.Module):
    """The model and its temperature: all that learns, as one module for DistributedDataParallel to wrap."""

    def __init__(self, model: TwoTowerModel, configuration: ObjectiveConfiguration) -> None:
        super().__init__()
        self.model = model
        self.scale = Scale(configuration.temperature, learn=configuration.learn_temperature)

    def forward(
        self, documents: torch.Tensor | tuple[str, ...], captions: tuple[str, ...]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Vectors of the documents and captions, float [batch, dimension], and the scale of their similarities."""
        document_vectors, caption_vectors = self.model(documents, captions)
        return document_vectors, caption_vectors, self.scale()

    def parameter_groups(self, configuration: OptimiserConfiguration) -> list[dict[str, Any]]:
        """The model's, and the temperature, which learns as heads do and does not decay."""
        groups = self.model.parameter_groups(configuration)
        if self.scale.logarithm.requires_grad:
            temperature = {"name": "temperature", "params": [self.scale.logarithm], "lr": configuration.head_rate}
            groups.append(temperature | {"weight_decay": 0.0})
        return groups


class PairObjective:
    """The loss of a batch, and what it remembers of those before: a queue and the model that fills it."""

    def __init__(
        self,
        configuration: ObjectiveConfiguration,
        model: TwoTowerModel,
        device: torch.device,
        *,
        names: Candidates | None = None,
    ) -> None:
        self._configuration = configuration
        self._names = names
        share = configuration.soft_targets
        self._soft_targets = SoftTargets(share, configuration.soft_target_temperature) if share else None
        self._teachers = Teachers(configuration.teachers, device) if configuration.distillation else None
        self._momentum: MomentumModel | None = None
        self._queue: MomentumQueue | None = None
        if configuration.queue is not None:
            self._momentum = MomentumModel(model, configuration.queue.momentum)
            self._queue = MomentumQueue(configuration.queue.size, model.dimension).to(device)

    def loss(
        self,
        batch: Batch,
        seen: torch.Tensor | tuple[str, ...],
        documents: torch.Tensor,
        captions: torch.Tensor,
        scale: torch.Tensor,
    ) -> torch.Tensor:
        """The loss of vectors, float [batch, dimension] each; `seen` is what the documents' tower saw."""
        concepts = batch.concepts.to(documents.device)
        loss = contrastive_loss(
            documents,
            captions,
            concepts,
            scale,
            more_documents=self._queue.candidate_documents() if self._queue else None,
            more_captions=self._more_captions(),
            label_smoothing=self._configuration.label_smoothing,
            soft_targets=self._soft_targets,
        )
        if self._configuration.concept_contrast:
            loss = loss + self._configuration.concept_contrast * concept_contrast_loss(documents, concepts)
        if self._momentum is not None and self._queue is not None:
            with torch.no_grad():
                followed_documents, followed_captions = self._momentum.model(seen, batch.captions)
                self._queue.push(followed_documents, followed_captions, concepts)
        if self._teachers is None or batch.images is None:
            return loss
        share = self._configuration.distillation
        return (1 - share) * loss + share * distillation_loss(documents, self._teachers(batch.images))

    def _more_captions(self) -> Candidates | None:
        queued = self._queue.candidate_captions() if self._queue else None
        parts = [part for part in (queued, self._names) if part is not None]
        return Candidates.joined(*parts) if parts else None

    def follow(self, model: TwoTowerModel) -> None:
        """After each step of the optimiser."""
        if self._momentum is not None:
            self._momentum.follow(model)

    def state_dict(self) -> dict[str, Any]:
        if self._momentum is None or self._queue is None:
            return {}
        return {"momentum": trained_weights(self._momentum.model), "queue": dict(self._queue.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._momentum is not None and self._queue is not None:
            load_trained_weights(self._momentum.model, state["momentum"])
            self._queue.load_state_dict(state["queue"])
