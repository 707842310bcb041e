"""Documents are spliced into answers without being parsed."""

from typing import Any

import orjson
import pytest
from sightwire_gateway.documents import picture_sha256, public_item, with_members

SHA = "ab" * 32
IMAGE = {"blob": "pictures/ab/x", "sha256": SHA, "filename": 'say "hi"', "width": 1}
BASE = {"id": "a", "version": 1, "time": "2026-01-01T00:00:00Z", "tags": []}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({**BASE, "metadata": {}}, None),
        ({**BASE, "metadata": {}, "image": IMAGE, "objects": []}, SHA),
        ({**BASE, "image": IMAGE, "metadata": {"image": {"sha256": "cd" * 32}}}, SHA),
        ({**BASE, "metadata": {"image": {"sha256": "cd" * 32}}}, None),
        ({**BASE, "metadata": {"image": {"sha256": "cd" * 32}}, "image": IMAGE}, SHA),
        ({**BASE, "metadata": {}, "text": '"image":{"sha256":"' + "cd" * 32 + '"}'}, None),
        ({**BASE, "tags": ['"metadata":{}'], "metadata": {"image": {"sha256": "cd" * 32}}}, None),
    ],
)
def test_the_picture_of_a_document_is_found_in_its_bytes(document: dict[str, Any], expected: str | None):
    assert picture_sha256(orjson.dumps(document)) == expected


def test_members_are_added_at_the_end():
    assert with_members(b'{"a":1}', {"b": [2]}) == b'{"a":1,"b":[2]}'
    assert with_members(b"{}", {"b": 2}) == b'{"b":2}'
    assert with_members(b'{"a":1}', {}) == b'{"a":1}'


def test_items_with_a_picture_get_its_addresses():
    document = orjson.dumps({**BASE, "id": "a/b c%", "metadata": {}, "image": IMAGE})
    fragment = public_item(document, base_url="http://host", collection="photos", item_id="a/b c%")
    item = orjson.loads(orjson.dumps(fragment))
    assert item["image_url"] == f"http://host/v1/collections/photos/items/a%2Fb%20c%25/image?v={SHA[:16]}"
    assert item["thumbnail_url"] == f"http://host/v1/collections/photos/items/a%2Fb%20c%25/thumbnail?v={SHA[:16]}"
    assert item["image"] == IMAGE
