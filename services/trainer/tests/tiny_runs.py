"""Training runs small enough for tests: a few drawings or texts, towers of some thousand weights."""

import os
from pathlib import Path
from typing import Any

from sightwire_trainer.configuration import TrainingConfiguration, parse_configuration
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.tar_writing import write_tar

from services.trainer.tests.drawn_samples import drawn_samples

#: The environment of commands: threads of so small a model only wait for each other.
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}

_TEXT_TOWER = {"kind": "transformer", "width": 16, "depth": 1, "heads": 2, "max_tokens": 16}


def picture_content(folder: Path, *, samples: int = 24) -> dict[str, Any]:
    """A configuration, as YAML would give it, of a ConvNet trained on drawings that are written into `folder`."""
    write_tar(folder / "train.tar", drawn_samples(samples))
    write_tar(folder / "validation.tar", drawn_samples(6, first=1000))
    return _content() | {
        "data": {
            "train": [{"kind": "tar", "path": "train.tar"}],
            "validation": [{"kind": "tar", "path": "validation.tar"}],
            "near_duplicate_bits": 0,
        },
        "model": {
            "image": {"kind": "convnet", "depths": [1, 1], "widths": [8, 16]},
            "text": _TEXT_TOWER,
            "size": 32,
            "dimension": 16,
            "head_widths": [24],
        },
    }


def text_content(folder: Path, *, samples: int = 24) -> dict[str, Any]:
    """Likewise, of two text transformers trained on pairs of texts."""
    write_tar(folder / "train.tar", _pairs(samples))
    write_tar(folder / "validation.tar", _pairs(6, first=1000))
    return _content() | {
        "select_by": "text_to_text_recall_at_1",
        "data": {
            "train": [{"kind": "tar", "path": "train.tar"}],
            "validation": [{"kind": "tar", "path": "validation.tar"}],
        },
        "model": {
            "image": None,
            "documents": _TEXT_TOWER,
            "text": _TEXT_TOWER,
            "dimension": 16,
        },
    }


def parsed(content: dict[str, Any], folder: Path, **changes: Any) -> TrainingConfiguration:
    """The configuration with other values at its first level."""
    return parse_configuration(content | changes, base=folder, name="the test's configuration")


def _content() -> dict[str, Any]:
    return {
        "name": "tiny",
        "version": "1",
        "space": "tiny-1",
        "epochs": 3,
        "batch_size": 8,
        "device": "cpu",
        "checkpoints": {"every_steps": 2, "keep": 1},
    }


def _pairs(count: int, *, first: int = 0) -> list[Sample]:
    return [
        Sample(key=f"pair-{number}", name=f"what is the number {number}", text=f"the number is {number}")
        for number in range(first, first + count)
    ]
