"""Collections: create, list, get, delete; and the platform itself."""

from collections.abc import Mapping
from typing import Any

import orjson

from sightwire.client.calls.request import Call, json_reader, path_segment
from sightwire.client.models import Collection, CollectionSummary


def create_collection(name: str, options: Mapping[str, Any]) -> Call[Collection]:
    return Call("POST", "/v1/collections", json_reader(_collection), body={"name": name, **options}, repeatable=False)


def list_collections() -> Call[list[CollectionSummary]]:
    def read(answer: Any) -> list[CollectionSummary]:
        return [CollectionSummary.model_validate(entry) for entry in answer["collections"]]

    return Call("GET", "/v1/collections", json_reader(read))


def get_collection(name: str) -> Call[Collection]:
    return Call("GET", f"/v1/collections/{path_segment(name)}", json_reader(_collection))


def delete_collection(name: str) -> Call[None]:
    return Call("DELETE", f"/v1/collections/{path_segment(name)}", lambda _body: None, repeatable=False)


def platform_status() -> Call[dict[str, Any]]:
    return Call("GET", "/v1/status", orjson.loads)


def _collection(answer: Any) -> Collection:
    # The specification may come nested, as the registry holds it, or flat.
    return Collection.model_validate({**answer.get("spec", {}), **answer})
