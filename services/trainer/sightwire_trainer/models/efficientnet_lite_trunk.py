"""EfficientNet-Lite, of timm: a small network that ImageNet has taught."""

from typing import Any

import torch
from torch import nn

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import EfficientNetLiteTrunk as EfficientNetLiteConfiguration
from sightwire_trainer.models.folded_norms import fold_norms
from sightwire_trainer.models.imagenet_weights import load_imagenet_weights
from sightwire_trainer.models.pooling import pool_stages, pooled_features
from sightwire_trainer.models.recomputing import run_layers

_LAST_CHANNELS = 1280


class EfficientNetLiteTrunk(nn.Module):
    """Pictures to 2,784 pooled features (variant 0; variant 2: 2,800). Fully convolutional.

    EfficientNet (Tan & Le 2019) without squeeze-and-excitation and with ReLU6, made for small devices. The features are
    mean and maximum of two maps: those of stride 16 before the last reduction, and the last of stride 32.
    """

    mean = (127 / 255,) * 3
    deviation = (128 / 255,) * 3

    def __init__(self, configuration: EfficientNetLiteConfiguration, *, pretrained: bool, recompute: bool) -> None:
        """With random weights unless `pretrained`.

        Raises:
            InvalidInputError: more blocks are to be frozen than there are.
            UnavailableError, CorruptDataError: as `load_imagenet_weights`.
        """
        super().__init__()
        # Imported here: it brings torchvision with it, which takes seconds.
        import timm

        network: Any = timm.create_model(
            f"tf_efficientnet_lite{configuration.variant}", drop_path_rate=configuration.drop_path
        )
        if pretrained:
            load_imagenet_weights(network, configuration.variant)
        if configuration.folded_norms:
            fold_norms(network)
        _separate_activations(network)
        self.recompute = recompute
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.blocks = nn.ModuleList(block for stage in network.blocks for block in stage)
        self.last = nn.Sequential(network.conv_head, network.bn2)
        # The last two of timm's stages are those of stride 32.
        self._middle = sum(len(stage) for stage in network.blocks[:-2]) - 1
        middle_channels = next(info["num_chs"] for info in network.feature_info if info["reduction"] == 16)
        self.features = pooled_features((middle_channels, _LAST_CHANNELS))
        self._frozen_statistics = configuration.frozen_statistics
        self._frozen = self._first_layers(configuration.frozen_blocks)
        for layer in self._frozen:
            layer.requires_grad_(False)
        if configuration.frozen_depthwise:
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                    layer.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> "EfficientNetLiteTrunk":
        """Frozen layers, and batch norms of frozen statistics, stay in evaluation mode."""
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        if self._frozen_statistics:
            for layer in self.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float [batch, 3, h, w] to float32 [batch, features]."""
        maps = run_layers(self.blocks, self.stem(images), recompute=self.recompute)
        return pool_stages([maps[self._middle], self.last(maps[-1])])

    def _first_layers(self, blocks: int) -> list[nn.Module]:
        if blocks > len(self.blocks):
            raise InvalidInputError(f"`frozen_blocks` is {blocks}, but the trunk has {len(self.blocks)} blocks")
        return [self.stem, *self.blocks[:blocks]] if blocks else []


def _separate_activations(network: nn.Module) -> None:
    """Puts batch norms of torch, with timm's activations after them, in the place of those that do both.

    Where norms are shared among GPUs, torch would put its own in their place and leave the activations out.
    """
    from timm.layers.norm_act import BatchNormAct2d

    for name, layer in list(network.named_children()):
        if not isinstance(layer, BatchNormAct2d):
            _separate_activations(layer)
            continue
        norm = nn.BatchNorm2d(layer.num_features, eps=layer.eps, momentum=layer.momentum)
        norm.load_state_dict(layer.state_dict())
        setattr(network, name, nn.Sequential(norm, layer.act))
