"""Models out of configurations."""

import torch

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import (
    ConvNetTrunk,
    DetectorTrunk,
    EfficientNetLiteTrunk,
    FrozenMiniLm,
    ImageTrunk,
    ModelConfiguration,
    OpenClipTower,
    TextEncoder,
    TextTransformer,
    VitTrunk,
)
from sightwire_trainer.models import convnext_trunk, efficientnet_lite_trunk, vit_trunk
from sightwire_trainer.models.cached_text_encoder import shared_text_encoder
from sightwire_trainer.models.csp_trunk import CspTrunk
from sightwire_trainer.models.frozen_minilm import FrozenMiniLmTower
from sightwire_trainer.models.head import Head
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.onnx_weights import read_onnx_graph, trunk_convolutions
from sightwire_trainer.models.open_clip_towers import OpenClipTextTower, OpenClipTrunk
from sightwire_trainer.models.starting_bundle import open_starting_bundle, starting_folder
from sightwire_trainer.models.starting_encoder import load_image_encoder
from sightwire_trainer.models.text_transformer import TextTransformerTower
from sightwire_trainer.models.two_tower import TextTowerModule, TwoTowerModel


def build_model(configuration: ModelConfiguration, *, seed: int) -> TwoTowerModel:
    """The model, on the CPU, in training mode; what is random in it follows from `seed` alone.

    Raises:
        InvalidInputError: the parts do not fit each other; the message says which.
        BundleError: the bundle that the text tower or the trunk is read from is not there.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if configuration.image is not None:
            image = _image_tower(configuration.image, configuration)
            return TwoTowerModel(image=image, text=_text_tower(configuration.text, configuration))
        assert configuration.documents is not None
        return TwoTowerModel(
            documents=_text_tower(configuration.documents, configuration),
            text=_text_tower(configuration.text, configuration),
        )


def _image_tower(trunk: ImageTrunk, configuration: ModelConfiguration) -> TrunkAndHead:
    module = _trunk(trunk, configuration)
    is_whole = isinstance(module, OpenClipTrunk) and module.features == configuration.dimension
    head = (
        None
        if is_whole
        else Head(module.features, configuration.head_widths, configuration.dimension, dropout=configuration.dropout)
    )
    tower = TrunkAndHead(module, head, size=configuration.size, dimension=configuration.dimension)
    if configuration.init_from is not None:
        load_image_encoder(tower, configuration.init_from)
    return tower.to(memory_format=torch.channels_last)


def _trunk(
    trunk: ImageTrunk, configuration: ModelConfiguration
) -> (
    CspTrunk
    | efficientnet_lite_trunk.EfficientNetLiteTrunk
    | convnext_trunk.ConvNextTrunk
    | vit_trunk.VitTrunk
    | OpenClipTrunk
):
    recompute = configuration.gradient_checkpointing
    match trunk:
        case DetectorTrunk():
            return _detector_trunk(trunk, configuration)
        case EfficientNetLiteTrunk():
            pretrained = trunk.pretrained and configuration.init_from is None
            return efficientnet_lite_trunk.EfficientNetLiteTrunk(trunk, pretrained=pretrained, recompute=recompute)
        case ConvNetTrunk():
            return convnext_trunk.ConvNextTrunk(trunk, recompute=recompute)
        case VitTrunk():
            return vit_trunk.VitTrunk(
                trunk, size=configuration.size, dropout=configuration.dropout, recompute=recompute
            )
        case OpenClipTower():
            return OpenClipTrunk(trunk, size=configuration.size, recompute=recompute)


def _detector_trunk(trunk: DetectorTrunk, configuration: ModelConfiguration) -> CspTrunk:
    if configuration.size % CspTrunk.stride:
        raise InvalidInputError(
            f"the detector's trunk takes sizes that are multiples of {CspTrunk.stride}; got {configuration.size}"
        )
    module = CspTrunk(recompute=configuration.gradient_checkpointing)
    if trunk.pretrained and configuration.init_from is None:
        bundle = open_starting_bundle(configuration.bundle)
        if bundle.spec.detector is None:
            raise InvalidInputError(f"{bundle.folder} has no detector, whose weights the trunk starts from")
        graph = read_onnx_graph(bundle.path(bundle.spec.detector.file))
        module.load_convolutions(trunk_convolutions(graph, len(module.convolutions())))
    return module


def _text_tower(encoder: TextEncoder, configuration: ModelConfiguration) -> TextTowerModule:
    dimension, recompute = configuration.dimension, configuration.gradient_checkpointing
    match encoder:
        case FrozenMiniLm():
            tower = FrozenMiniLmTower(shared_text_encoder(starting_folder(configuration.bundle)))
            if tower.dimension != dimension:
                raise InvalidInputError(
                    f"the frozen text encoder's vectors have {tower.dimension} dimensions; set `dimension` to that "
                    f"instead of {dimension}"
                )
            return tower
        case TextTransformer():
            bundle = open_starting_bundle(configuration.bundle)
            return TextTransformerTower(
                encoder, bundle, dimension=dimension, dropout=configuration.dropout, recompute=recompute
            )
        case OpenClipTower():
            return OpenClipTextTower(encoder, dimension=dimension, recompute=recompute)
