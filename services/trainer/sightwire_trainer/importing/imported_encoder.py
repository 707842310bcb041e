"""An encoder of other people, made ready for a bundle."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import onnx

from sightwire.bundles.spec import ImageEncoderSpec, TextEncoderSpec

Spec = TypeVar("Spec", ImageEncoderSpec, TextEncoderSpec)


@dataclass(frozen=True, slots=True)
class ImportedEncoder(Generic[Spec]):
    """A graph, how the bundle describes it, and the dimension of its vectors."""

    model: onnx.ModelProto
    spec: Spec
    dimension: int
