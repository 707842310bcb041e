"""Collections for the gateway's unit tests."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sightwire.contracts.collections import CollectionRecord, CollectionSpec

DIMENSION = 4


def make_record(**spec: Any) -> CollectionRecord:
    """A record with resolved dimensions; by default with the platform's three fields."""
    spec.setdefault("fields", {name: {"source": name, "dimension": DIMENSION} for name in ("image", "object", "text")})
    return CollectionRecord(
        spec=CollectionSpec.model_validate({"name": "photos", **spec}),
        uid="uid1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        space="space-1",
        generation="g1",
        class_names=("person", "cat"),
    )


@pytest.fixture
def record() -> CollectionRecord:
    """A collection of pictures with all the platform's fields and one of the user's own."""
    fields: dict[str, Any] = {name: {"source": name, "dimension": DIMENSION} for name in ("image", "object", "text")}
    return make_record(fields={**fields, "own": {"dimension": 2}})


@pytest.fixture
def user_record() -> CollectionRecord:
    """A collection of the user's own vectors."""
    return make_record(fields={"own": {"dimension": 2}})
