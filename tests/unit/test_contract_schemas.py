"""The published JSON Schemas accept what the services accept, and refuse what they refuse."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from sightwire.contracts.collections import CollectionSpec
from sightwire.contracts.events import IngestEvent
from sightwire.contracts.filters import Filter

CONTRACTS = Path(__file__).parents[2] / "docs/contracts"
SHA256 = "0" * 64
BLOB = {"blob": f"pictures/00/{SHA256}", "sha256": SHA256, "bytes": 10}


def schema(name: str) -> dict[str, Any]:
    return json.loads((CONTRACTS / "schemas" / f"{name}.json").read_bytes())


def accepted_by_schema(name: str, document: object) -> bool:
    return Draft202012Validator(schema(name)).is_valid(document)


def accepted_by_model(model: type[BaseModel], document: object) -> bool:
    try:
        model.model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("path", sorted((CONTRACTS / "schemas").glob("*.json")), ids=lambda path: path.stem)
def test_schemas_are_valid(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    ("event", "accepted"),
    [
        ({"id": "a", "text": "a red boat"}, True),
        ({"id": "photos/2026/a b.jpg", "text": "slashes and spaces", "tags": ["x"]}, True),
        ({"id": "a", "image": {"url": "https://example.org/a.jpg"}}, True),
        ({"id": "a", "image": {"url": "https://example.org/a.jpg", "data": None}}, True),
        ({"id": "a", "image": {"blob": BLOB}, "text": None}, True),
        ({"id": "a", "vectors": {"taste": [1, 2.5]}}, True),
        ({"id": "a", "vectors": {"taste": "AACAPwAAIEA="}}, True),
        ({"id": "a", "operation": "delete"}, True),
        ({"text": "no id"}, False),
        ({"id": " a", "text": "outer space"}, False),
        ({"id": "a"}, False),
        ({"id": "a", "text": None}, False),
        ({"id": "a", "operation": "patch", "text": "x"}, False),
        ({"id": "a", "image": {}}, False),
        ({"id": "a", "image": {"url": "https://example.org/a.jpg", "data": "AAAA"}}, False),
        ({"id": "a", "text": "x", "colour": "a member that nobody knows"}, False),
        ({"id": "a", "text": "x", "tags": [""]}, False),
    ],
)
def test_ingest_events(event: dict[str, Any], accepted: bool) -> None:
    assert accepted_by_schema("ingest-event", event) is accepted
    assert accepted_by_model(IngestEvent, event) is accepted


@pytest.mark.parametrize(
    ("filter_", "accepted"),
    [
        ({"tags_any": ["cat"]}, True),
        ({"all": [{"not": {"has_image": True}}, {"time": {"from": "2026-01-01T00:00:00Z"}}]}, True),
        ({"classes": {"names": ["person"], "min_confidence": 0.6}}, True),
        ({}, False),
        ({"tags_any": ["cat"], "has_image": True}, False),
        ({"tags_any": []}, False),
        ({"classes": {"names": ["person"], "min_confidence": 2}}, False),
        ({"colour": "red"}, False),
    ],
)
def test_filters(filter_: dict[str, Any], accepted: bool) -> None:
    assert accepted_by_schema("filter", filter_) is accepted
    assert accepted_by_model(Filter, filter_) is accepted


@pytest.mark.parametrize(
    ("spec", "accepted"),
    [
        ({"name": "photos"}, True),
        ({"name": "wines", "fields": {"taste": {"dimension": 2, "metric": "dot"}}}, True),
        ({"name": "Photos"}, False),
        ({"name": "photos", "fields": {}}, False),
        ({"name": "photos", "undeclared_metadata": "ignore"}, False),
    ],
)
def test_collection_specs(spec: dict[str, Any], accepted: bool) -> None:
    assert accepted_by_schema("collection-spec", spec) is accepted
    assert accepted_by_model(CollectionSpec, spec) is accepted


@pytest.mark.parametrize("path", sorted((CONTRACTS / "asyncapi").glob("*.json")), ids=lambda path: path.stem)
def test_asyncapi_names_every_channel_and_content_type(path: Path) -> None:
    document = json.loads(path.read_bytes())
    assert document["asyncapi"].startswith("3.")
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert not [address for address in addresses if "*" in address]
    messages = document["components"]["messages"].values()
    assert {message["contentType"] for message in messages} <= {"application/json", "application/x-protobuf"}


@pytest.mark.parametrize("path", sorted(CONTRACTS.rglob("*.json")), ids=lambda path: path.stem)
def test_every_reference_leads_somewhere(path: Path) -> None:
    document = json.loads(path.read_bytes())

    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for part in node.values():
                yield from references(part)
        elif isinstance(node, list):
            for part in node:
                yield from references(part)

    for reference in references(document):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in target, reference
            target = target[part]


def test_openapi_knows_the_routes_of_existing_clients() -> None:
    paths = json.loads((CONTRACTS / "openapi.json").read_bytes())["paths"]
    for route in ("/ingest/image", "/search/text", "/search/hybrid", "/search/similar", "/search", "/v1/collections"):
        assert route in paths
