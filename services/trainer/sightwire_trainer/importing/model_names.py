"""What the command line calls models that are to be imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightwire_trainer.configuration import OpenClipTower
from sightwire_trainer.importing.bundle_identity import plain_name
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.onnx_model import OnnxFiles

_OPEN_CLIP: Final = "open_clip"
_ONNX: Final = "onnx"
_PARTS: Final = ("image", "text", "tokenizer", "detector")


@dataclass(frozen=True, slots=True)
class OpenClipModel:
    """A model of open_clip."""

    tower: OpenClipTower

    @property
    def plain_name(self) -> str:
        """What its bundle is called unless it is told."""
        return plain_name(self.tower.name)


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """Files in ONNX."""

    files: OnnxFiles
    detector: Path | None

    @property
    def plain_name(self) -> str:
        """What its bundle is called unless it is told."""
        named = self.files.image or self.files.text or self.detector
        return plain_name(named.stem if named else _ONNX)


def parse_model(model: str) -> OpenClipModel | OnnxModel:
    """`open_clip:NAME[@PRETRAINED]`, or `onnx:image=FILE,text=FILE,tokenizer=FILE,detector=FILE` with some left out.

    Raises:
        ImportRefusedError: it is neither.
    """
    kind, _, rest = model.partition(":")
    if kind == _OPEN_CLIP and rest:
        name, _, pretrained = rest.partition("@")
        return OpenClipModel(OpenClipTower(name=name, pretrained=pretrained or None))
    if kind == _ONNX and rest:
        return _onnx_model(rest)
    raise ImportRefusedError(
        f"expected open_clip:NAME[@PRETRAINED] or onnx:image=FILE,text=FILE,tokenizer=FILE,detector=FILE, got {model!r}"
    )


def _onnx_model(parts: str) -> OnnxModel:
    files: dict[str, Path] = {}
    for part in parts.split(","):
        key, separator, path = part.partition("=")
        if key not in _PARTS or not separator or not path or key in files:
            raise ImportRefusedError(f"expected each of {', '.join(_PARTS)} at most once, as PART=FILE, got {part!r}")
        files[key] = Path(path)
    detector = files.pop("detector", None)
    return OnnxModel(OnnxFiles(**files), detector)
