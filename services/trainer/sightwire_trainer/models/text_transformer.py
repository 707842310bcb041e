"""A small text transformer from scratch, over the tokens of a bundle's tokenizer."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sightwire.bundles import Bundle, BundleError
from sightwire.bundles.tokenization import TextTokenizer, pad_batch
from sightwire_trainer.configuration import TextTransformer as TextTransformerConfiguration
from sightwire_trainer.models.transformer import TransformerBlock, initialise_transformer


class TextTransformerTower(nn.Module):
    """A `TextTower` (models/towers.py): blocks, the mean over the tokens, and a projection.

    With width 256, depth 4 and 384 dimensions: 11.1 M parameters, of which 7.8 M are MiniLM's 30,522 tokens.
    """

    is_frozen = False

    def __init__(
        self,
        configuration: TextTransformerConfiguration,
        bundle: Bundle,
        *,
        dimension: int,
        dropout: float = 0.0,
        recompute: bool = False,
    ) -> None:
        """Raises `BundleError` when the bundle has no tokenizer."""
        super().__init__()
        spec = bundle.spec.text_encoder
        if spec is None:
            raise BundleError(f"{bundle.folder} has no text encoder, whose tokenizer the text tower reads with")
        self.dimension = dimension
        self.max_tokens = configuration.max_tokens
        self.recompute = recompute
        self._tokenizer = TextTokenizer(bundle.path(spec.tokenizer), configuration.max_tokens)
        width = configuration.width
        self.tokens = nn.Embedding(self._tokenizer.vocabulary_size, width)
        self.positions = nn.Parameter(torch.empty(configuration.max_tokens, width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, configuration.heads, dropout=dropout) for _ in range(configuration.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, dimension)
        initialise_transformer(self)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts to float32 [texts, dimension], L2-normalised, on the tower's device."""
        ids, mask = pad_batch(self._tokenizer.tokenize(texts))
        device = self.positions.device
        vectors: torch.Tensor = self(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
        return vectors

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """int64 [batch, length] both, the mask 0 where a text is padded, to float32 [batch, dimension]."""
        tokens = self.tokens(ids) + self.positions[: ids.shape[1]]
        attendable = mask.bool()[:, None, None, :]
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, attendable, use_reentrant=False)
            else:
                tokens = block(tokens, attendable)
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        mean = (self.norm(tokens) * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
        return functional.normalize(self.projection(mean).float(), dim=-1)
