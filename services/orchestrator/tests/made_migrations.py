"""Records of collections and of their migrations, for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.migrations import Coverage, Migration
from sightwire.contracts.models import ModelId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIELDS = {
    "image": {"source": "image", "dimension": 8},
    "text": {"source": "text", "dimension": 8},
    "own": {"source": "user", "dimension": 3},
}


def users_record(name: str = "photos", **members: Any) -> CollectionRecord:
    """A collection in the space `old-1`."""
    spec = CollectionSpec.model_validate({"name": name, "fields": members.pop("fields", FIELDS)})
    return CollectionRecord(spec=spec, **{"uid": "u1", "created_at": NOW, "space": "old-1", **members})


def migration(**members: Any) -> Migration:
    """A migration of `photos` from its own index to the shadow `photos--1`."""
    return Migration(
        **{
            "collection": "photos",
            "collection_uid": "u1",
            "shadow": "photos--1",
            "source": "photos",
            "model": ModelId(name="new", version="2"),
            "space": "new-2",
            "run": "r1",
            "started_at": NOW - timedelta(hours=1),
            **members,
        }
    )


def coverage(**members: Any) -> Coverage:
    """A comparison in which both have the same ten items."""
    return Coverage(
        **{
            "collection": "photos",
            "shadow": "photos--1",
            "space": "new-2",
            "manifest_version": 3,
            "shadow_manifest_version": 2,
            "checkpoint": 10,
            "shadow_checkpoint": 9,
            "items": 10,
            "shadow_items": 10,
            "missing": 0,
            "surplus": 0,
            **members,
        }
    )
