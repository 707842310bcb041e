"""Image encoders of bundles as the starting point of training: their weights into the detector's trunk and its head."""

from pathlib import Path

import torch
from torch import nn

from sightwire.bundles import BUNDLE_FILE, BundleError
from sightwire.bundles.loading import read_spec
from sightwire.errors import InvalidInputError
from sightwire_trainer.models.csp_trunk import CspTrunk
from sightwire_trainer.models.head import Head
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.onnx_weights import OnnxGraph, read_onnx_graph, trunk_convolutions


def load_image_encoder(tower: TrunkAndHead, path: Path) -> None:
    """Takes over the weights of an image encoder: a bundle's folder or an ONNX file.

    Raises:
        InvalidInputError: it is not the detector's trunk with a head of the tower's widths.
        BundleError: the folder is not a bundle with an image encoder.
    """
    if not isinstance(tower.trunk, CspTrunk) or not isinstance(tower.head, Head):
        raise InvalidInputError(
            "`init_from` fills the detector's trunk and its head; set `image: {kind: detector}`, or leave it out"
        )
    graph = read_onnx_graph(_encoder_file(path))
    trunk, head = tower.trunk, tower.head
    trunk.load_convolutions(trunk_convolutions(graph, len(trunk.convolutions())))
    _load_head(head, graph)


def _encoder_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    spec = read_spec(path / BUNDLE_FILE)
    if spec.image_encoder is None:
        raise BundleError(f"{path} has no image encoder to start from")
    return path / spec.image_encoder.file


@torch.no_grad()
def _load_head(head: Head, graph: OnnxGraph) -> None:
    norms = graph.of_kind("BatchNormalization")
    if len(norms) != 1:
        raise InvalidInputError(f"{graph.path}: expected one BatchNormalization, of the head, found {len(norms)}")
    given = [graph.weight(norms[0], 3), graph.weight(norms[0], 4)]
    statistics = head.norm.running_mean, head.norm.running_var
    own = [statistic for statistic in statistics if statistic is not None]
    for module in head.layers:
        if isinstance(module, nn.Linear | nn.LayerNorm):
            own += [module.weight, module.bias]
    for node in graph.nodes:
        if node.op_type in ("Gemm", "LayerNormalization"):
            given += [graph.weight(node, 1), graph.weight(node, 2)]
    if [tensor.shape for tensor in own] != [tensor.shape for tensor in given]:
        raise InvalidInputError(
            f"{graph.path}: its head has the shapes {[list(tensor.shape) for tensor in given]}, the configured one "
            f"{[list(tensor.shape) for tensor in own]}; set `dimension` and `head_widths` to those of the file"
        )
    for target, source in zip(own, given, strict=True):
        target.copy_(source)
