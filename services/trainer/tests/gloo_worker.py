"""One of two processes that compute a contrastive loss together: `gloo_worker.py RANK FOLDER`.

Reads FOLDER/batch.pt, takes its half of it, and writes the loss and the gradients to FOLDER/RANK.pt.
"""

import sys
from datetime import timedelta
from pathlib import Path

import torch
from sightwire_trainer.objectives.concept_contrast import concept_contrast_loss
from sightwire_trainer.objectives.losses import Candidates, SoftTargets, contrastive_loss
from sightwire_trainer.objectives.queue import MomentumQueue
from sightwire_trainer.objectives.temperature import Scale
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel


class SmallTowers(nn.Module):
    """Two linear towers and a temperature, in double precision."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.documents = nn.Linear(5, 4)
        self.captions = nn.Linear(6, 4)
        self.scale = Scale(0.2)
        self.double()

    def forward(self, documents, captions):
        return (
            functional.normalize(self.documents(documents), dim=-1),
            functional.normalize(self.captions(captions), dim=-1),
            self.scale(),
        )


def loss_of(model, batch, rows):
    documents, captions, scale = model(batch["documents"][rows], batch["captions"][rows])
    more = Candidates(batch["more"], batch["more_concepts"])
    concepts = batch["concepts"][rows]
    loss = contrastive_loss(
        documents,
        captions,
        concepts,
        scale,
        more_documents=more,
        more_captions=more,
        label_smoothing=0.1,
        soft_targets=SoftTargets(0.2),
    )
    return loss + 0.5 * concept_contrast_loss(documents, concepts)


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=200))
    batch = torch.load(folder / "batch.pt")
    half = len(batch["concepts"]) // 2
    rows = slice(rank * half, (rank + 1) * half)

    model = DistributedDataParallel(SmallTowers())
    loss = loss_of(model, batch, rows)
    loss.backward()
    queue = MomentumQueue(2 * half, 4)
    queue.push(torch.full((half, 4), float(rank)), torch.zeros(half, 4), batch["concepts"][rows])

    gradients = [parameter.grad for parameter in model.parameters()]
    torch.save({"loss": loss.detach(), "gradients": gradients, "queue": queue.state_dict()}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
