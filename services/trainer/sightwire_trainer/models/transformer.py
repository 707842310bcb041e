"""The block that the small transformers of pictures and of texts are made of."""

import torch
from torch import nn
from torch.nn import functional

from sightwire.errors import InvalidInputError


class TransformerBlock(nn.Module):
    """Attention and an MLP, each after a layer norm and added to its input: [batch, tokens, width] to the same."""

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        """Raises `InvalidInputError` when `width` cannot be divided among the heads."""
        super().__init__()
        if width % heads:
            raise InvalidInputError(f"a transformer's width must be a multiple of its heads; got {width} and {heads}")
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`mask`, bool [batch, 1, 1, tokens], is true where a token may be attended to; none: everywhere."""
        tokens = tokens + self.dropout(self._attend(self.attention_norm(tokens), mask))
        result: torch.Tensor = tokens + self.dropout(self.mlp(self.mlp_norm(tokens)))
        return result

    def _attend(self, tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.query_key_value(tokens).chunk(3, -1)
        )
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        result: torch.Tensor = self.attention_out(attended.transpose(1, 2).flatten(-2))
        return result


def initialise_transformer(module: nn.Module) -> None:
    """Small random weights in all linear and embedding layers, as transformers are begun with (Radford et al. 2021)."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
