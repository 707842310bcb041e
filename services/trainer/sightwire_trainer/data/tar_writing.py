"""Samples written as a WebDataset tar that `TarSamples` reads; the same samples make the same bytes."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from sightwire.errors import CorruptDataError
from sightwire.security.picture_types import sniff_picture
from sightwire_trainer.data.captioned import sample_facts
from sightwire_trainer.data.samples import Sample


def write_tar(path: Path, samples: Iterable[Sample]) -> int:
    """Writes the samples, and how many they are; a file that was there is replaced once the new one is whole.

    Files are numbered, since keys may have any characters; keys are in the JSON.

    Raises:
        CorruptDataError: an image that does not begin as a picture of a known format; no file is left.
    """
    partial = path.with_name(f"{path.name}.partial")
    count = 0
    try:
        with tarfile.open(partial, "w") as tar:
            for sample in samples:
                stem = f"{count:08}"
                if sample.image is not None:
                    _add(tar, f"{stem}.{_extension(sample.image, sample.key)}", sample.image)
                _add(tar, f"{stem}.json", json.dumps(sample_facts(sample), ensure_ascii=False).encode())
                count += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _extension(image: bytes, key: str) -> str:
    media_type = sniff_picture(image)
    if media_type is None:
        raise CorruptDataError(f"{key}: expected a picture, its {len(image):,} bytes begin with {image[:8]!r}")
    return media_type.removeprefix("image/")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
