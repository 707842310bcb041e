"""Small drawings with captions, for tests that train, load or measure."""

import io

import numpy as np
from PIL import Image, ImageDraw
from sightwire_trainer.data.samples import Sample


def drawing(seed: int, *, side: int = 32, image_format: str = "PNG") -> bytes:
    """An encoded picture of random rectangles on white; another one for each seed."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        left, top = random.integers(0, side * 3 // 4, size=2)
        width, height = random.integers(side // 6, side // 2, size=2)
        colour = tuple(int(part) for part in random.integers(0, 256, size=3))
        pen.rectangle((int(left), int(top), int(left + width), int(top + height)), fill=colour)
    return encoded(picture, image_format)


def encoded(picture: Image.Image, image_format: str = "PNG") -> bytes:
    """A picture as a file's bytes; WebP without loss."""
    file = io.BytesIO()
    picture.save(file, image_format, **({"lossless": True} if image_format == "WEBP" else {}))
    return file.getvalue()


def drawn_samples(count: int, *, concepts: int | None = None, origin: str = "drawn", first: int = 0) -> list[Sample]:
    """Samples of different drawings with captions of their own, `concepts` (none: each its own) in turn."""
    return [
        Sample(
            key=f"drawing-{number}",
            name=f"drawing number {number}",
            image=drawing(number),
            keywords=("rectangles", f"seed {number}"),
            description=f"some rectangles of seed {number}",
            concept=f"concept {number % concepts}" if concepts else "",
            origin=origin,
            licence="CC0-1.0",
        )
        for number in range(first, first + count)
    ]


class ListedSamples:
    """Samples of a list as a source."""

    def __init__(self, samples: list[Sample], name: str = "listed") -> None:
        self.name = name
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number: int) -> Sample:
        return self._samples[number]

    def __iter__(self):
        return iter(self._samples)
