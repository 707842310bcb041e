"""Distinct, real inputs in any number: the demo's captions joined, crops of photographs, scenes of the demo's drawings.

The same seed gives the same inputs, so that a baseline and the platform get equal ones and runs can be compared.
"""

import io
import random
from functools import cache
from pathlib import Path

from PIL import Image

from sightwire.platform.demo_collection import read_demo_items

_PHOTOS = Path(__file__).parent.parent / "tests/fixtures/photos"
_PICTURE_SIZE = (640, 480)
_JPEG_QUALITY = 85


def texts(count: int, seed: int) -> list[str]:
    """`count` distinct texts of one to six captions each, some 5 to 50 words."""
    chance = random.Random(seed)
    captions = [item.text for item in read_demo_items()]
    found: dict[str, None] = {}
    while len(found) < count:
        found[", ".join(chance.sample(captions, chance.randint(1, 6))) + f" ({len(found)})"] = None
    return list(found)


def pictures(count: int, seed: int) -> list[bytes]:
    """`count` distinct JPEG files of 640 x 480: parts of photographs and scenes of drawings, by turns, each tinted."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        picture = _part_of_a_photo(chance) if number % 2 else _scene(chance)
        tint = Image.new("RGB", picture.size, tuple(chance.randrange(256) for _ in range(3)))
        encoded = io.BytesIO()
        Image.blend(picture, tint, chance.uniform(0.02, 0.15)).save(encoded, "JPEG", quality=_JPEG_QUALITY)
        made.append(encoded.getvalue())
    return made


@cache
def _photos() -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted(_PHOTOS.glob("*.jpg"))]


@cache
def _drawings() -> list[Image.Image]:
    return [Image.open(item.picture).convert("RGB") for item in read_demo_items()]


def _part_of_a_photo(chance: random.Random) -> Image.Image:
    photo = chance.choice(_photos())
    share = chance.uniform(0.6, 1.0)
    width, height = int(photo.width * share), int(photo.height * share)
    left, top = chance.randint(0, photo.width - width), chance.randint(0, photo.height - height)
    return photo.resize(_PICTURE_SIZE, box=(left, top, left + width, top + height))


def _scene(chance: random.Random) -> Image.Image:
    """One to four drawings side by side on white."""
    columns, rows = chance.choice([(1, 1), (2, 1), (2, 2)])
    cell = (_PICTURE_SIZE[0] // columns, _PICTURE_SIZE[1] // rows)
    side = min(cell)
    scene = Image.new("RGB", _PICTURE_SIZE, "white")
    for column in range(columns):
        for row in range(rows):
            drawing = chance.choice(_drawings()).resize((side, side))
            scene.paste(drawing, (column * cell[0] + (cell[0] - side) // 2, row * cell[1] + (cell[1] - side) // 2))
    return scene
