"""The demo's files."""

from pathlib import Path

from PIL import Image

from sightwire.platform.demo_collection import DemoMarker, read_demo_items


def test_every_item_has_a_picture_a_caption_and_an_id_of_its_own() -> None:
    items = read_demo_items()
    assert len(items) >= 300
    assert len({item.id for item in items}) == len(items)
    for item in items:
        assert item.text
        assert item.metadata["topic"]
        with Image.open(item.picture) as picture:
            assert max(picture.size) <= 256


def test_every_shipped_picture_is_used() -> None:
    items = read_demo_items()
    assert {item.picture for item in items} == set(items[0].picture.parent.iterdir())


def test_demo_is_loaded_once(tmp_path: Path) -> None:
    marker = DemoMarker(tmp_path)
    assert not marker.is_set
    marker.set()
    assert DemoMarker(tmp_path).is_set
