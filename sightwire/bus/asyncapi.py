"""The AsyncAPI 3 document of a service, from its FastStream broker, and complete in what FastStream does not know."""

import json
import re
from typing import Any, Final
from urllib.parse import unquote

from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from sightwire import __version__
from sightwire.bus.headers import CONTENT_TYPE, JSON, MESSAGE_ID, PROTOBUF
from sightwire.contracts import subjects

_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9._#-]")
#: How subscriptions with wildcards are written as channels with parameters.
_ADDRESSES: Final = {
    subjects.INGEST_ALL: subjects.ingest("{collection}"),
    subjects.EMBEDDED_ALL: subjects.embedded("{collection}", "{space}"),
    subjects.REEMBED_ALL: subjects.reembed("{collection}"),
    subjects.index_ready("*"): subjects.index_ready("{collection}"),
    subjects.index_failed("*"): subjects.index_failed("{collection}"),
    subjects.index_build("*"): subjects.index_build("{collection}"),
    subjects.index_schedule("*"): subjects.index_schedule("{collection}"),
    subjects.control_index("*"): subjects.control_index("{collection}"),
    subjects.training_progress("*"): subjects.training_progress("{run}"),
    subjects.control_training("*"): subjects.control_training("{run}"),
    subjects.TASKS_ALL: subjects.tasks("{type}"),
    subjects.TASK_PROGRESS_ALL: subjects.task_progress("{pipeline_run}"),
    subjects.TASK_RESULTS_ALL: subjects.task_result("{pipeline_run}"),
    subjects.PIPELINES_ENDED_ALL: subjects.pipeline_ended("{pipeline_run}"),
    subjects.ALERTS_ALL: subjects.alert("{alert_kind}", "{alert_rule}"),
}
_PARAMETERS: Final = {
    "collection": {"description": "Name of the collection"},
    "space": {"description": "Space of the vectors: the bundle version that made them"},
    "run": {"description": "Name of the training run"},
    "pipeline_run": {"description": "Id of the run of a pipeline"},
    "type": {"description": "Type of the task"},
    "alert_kind": {"description": "`fired` or `resolved`"},
    "alert_rule": {"description": "Name of the alert rule"},
}
#: Headers of every event that the platform publishes; other publishers may leave all of them out.
_HEADERS: Final = {
    MESSAGE_ID: {"type": "string", "description": "Same id, same event: a repetition within two minutes is dropped"},
    "ce-specversion": {"type": "string", "const": "1.0"},
    "ce-id": {"type": "string"},
    "ce-type": {"type": "string"},
    "ce-source": {"type": "string", "format": "uri-reference"},
    "ce-subject": {"type": "string", "description": "Percent-encoded where it is not printable ASCII"},
    "ce-time": {"type": "string", "format": "date-time"},
    "traceparent": {"type": "string", "description": "W3C trace context; the item's trace goes on from there"},
}


def asyncapi_document(broker: NatsBroker, *, title: str, description: str) -> bytes:
    """What a service consumes and publishes, as JSON.

    `broker` has all subscribers and publishers but need not be connected. Messages without a schema of their own
    (`bytes`) are taken for protobuf.
    """
    factory = AsyncAPI(broker, title=title, version=__version__, description=description)
    document = _with_legal_names(json.loads(factory.to_specification().to_json()))
    for channel in document["channels"].values():
        _parametrise(channel)
    schemas = document["components"]["schemas"]
    for message in document["components"]["messages"].values():
        _complete(message, schemas[message["payload"]["$ref"].rpartition("/")[2]])
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def _with_legal_names(document: dict[str, Any]) -> dict[str, Any]:
    """FastStream names components as subscribers are titled; AsyncAPI allows letters, digits, `.`, `_` and `-`.

    Sorted by name as well: FastStream keeps publishers in a set, whose order differs between runs.
    """
    for parent, section in (
        (document, "channels"),
        (document, "operations"),
        (document["components"], "messages"),
        (document["components"], "schemas"),
    ):
        parent[section] = {_legal(name): value for name, value in sorted(parent[section].items())}
    legal: dict[str, Any] = _with_legal_references(document)
    return legal


def _with_legal_references(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_legal_references(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: "/".join(map(_legal, unquote(value).split("/"))) if key == "$ref" else _with_legal_references(value)
        for key, value in node.items()
    }


def _legal(name: str) -> str:
    return _ILLEGAL.sub("-", name)


def _parametrise(channel: dict[str, Any]) -> None:
    address = _ADDRESSES.get(channel["address"])
    if address is None:
        return
    channel["address"] = address
    channel["parameters"] = {name: value for name, value in _PARAMETERS.items() if f"{{{name}}}" in address}


def _complete(message: dict[str, Any], schema: dict[str, Any]) -> None:
    # FastStream's own header, which nobody but FastStream publishes.
    message.pop("correlationId", None)
    if schema.get("type") == "array":
        # Handlers take several messages at once; each message is one of them.
        schema = message["payload"] = schema["items"]
    content_type = PROTOBUF if schema.get("format") == "binary" else JSON
    message["contentType"] = content_type
    message["headers"] = {
        "type": "object",
        "properties": {CONTENT_TYPE: {"type": "string", "const": content_type}, **_HEADERS},
    }
