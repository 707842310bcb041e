"""Writes the documents of this folder: JSON Schemas, AsyncAPI, OpenAPI, the settings. `generate.py [FOLDER]`.

Nothing needs to run: the documents come from the code that the services serve with.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sightwire.bus.broker import make_broker
from sightwire.contracts.alerts import AlertEvent
from sightwire.contracts.collections import CollectionSpec
from sightwire.contracts.events import IndexFailed, IndexReady, IngestEvent, ItemStatus
from sightwire.contracts.filters import Filter
from sightwire.contracts.migrations import CanaryObservation, Click
from sightwire.contracts.models import ModelPromoted, ModelRegistered, ModelRolledBack
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.pipelines import AttemptProgress, PipelineDefinition, PipelineRunEnded, TaskOrder, TaskResult
from sightwire.contracts.schedules import SchedulePaused
from sightwire.contracts.training import TrainingCompleted, TrainingProgress, TrainingRequested
from sightwire.settings import SharedSettings, is_reloadable

_HERE: Final = Path(__file__).parent
_SETTINGS_INTRODUCTION: Final = """\
# Settings
Environment variables, or keys of the YAML file that `SIGHTWIRE_CONFIG` names: without the prefix `SIGHTWIRE_` and in
lower case (`nats_url: …`). The environment wins. A value that cannot work ends the process with exit status 78 and says
which one it is. Those with *yes* under *reload* can change in the file while a service runs: it reads the file again on
SIGHUP, POST `/-/reload` or `sightwire config reload`, and applies nothing if anything in it is wrong.
This page is generated from the services' settings classes by `make contracts`.
"""
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCHEMAS: Final[Mapping[str, type[BaseModel]]] = {
    "ingest-event": IngestEvent,
    "item-status": ItemStatus,
    "index-ready": IndexReady,
    "index-failed": IndexFailed,
    "index-build": OperationRecord,
    "index-schedule": SchedulePaused,
    "training-requested": TrainingRequested,
    "training-progress": TrainingProgress,
    "training-completed": TrainingCompleted,
    "model-registered": ModelRegistered,
    "model-promoted": ModelPromoted,
    "model-rolled-back": ModelRolledBack,
    "pipeline-definition": PipelineDefinition,
    "pipeline-ended": PipelineRunEnded,
    "task-order": TaskOrder,
    "task-result": TaskResult,
    "task-progress": AttemptProgress,
    "alert-event": AlertEvent,
    "canary-observation": CanaryObservation,
    "canary-click": Click,
    "collection-spec": CollectionSpec,
    "filter": Filter,
}


def json_schema(name: str, model: type[BaseModel]) -> bytes:
    """The JSON Schema of what `model` reads."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _json({"$schema": _DIALECT, "$id": f"urn:sightwire:schema:{name}", **schema})


def embedder_asyncapi() -> bytes:
    from sightwire_embedder.consumer import asyncapi, subscribe, subscribe_to_reembed

    broker = make_broker(SharedSettings(), name="embedder")
    subscribe(broker, _consume_nothing)
    subscribe_to_reembed(broker, _consume_nothing)
    return asyncapi(broker)


def searcher_asyncapi() -> bytes:
    from sightwire_searcher.consumer import asyncapi, subscribe

    broker = make_broker(SharedSettings(), name="searcher")
    subscribe(broker, lambda _: None, searcher="any")
    return asyncapi(broker)


def indexer_asyncapi() -> bytes:
    from sightwire_indexer.asyncapi import describe

    return describe()


def trainer_asyncapi() -> bytes:
    from sightwire_trainer.asyncapi import describe

    return describe()


def orchestrator_asyncapi() -> bytes:
    from sightwire_orchestrator.asyncapi import describe

    return describe()


def gateway_openapi() -> bytes:
    from sightwire_gateway.app import make_routes

    return _json(make_routes().openapi())


def settings_table() -> bytes:
    """Every setting of every service, as Markdown."""
    from sightwire_embedder.settings import EmbedderSettings
    from sightwire_gateway.settings import GatewaySettings
    from sightwire_indexer.settings import IndexerSettings
    from sightwire_orchestrator.settings import OrchestratorSettings
    from sightwire_searcher.settings import SearcherSettings
    from sightwire_trainer.settings import TrainerSettings

    shared = frozenset(SharedSettings.model_fields)
    sections = [
        _SETTINGS_INTRODUCTION,
        _settings_of("Every service", SharedSettings, known=frozenset()),
        *(
            _settings_of(service.__name__.removesuffix("Settings"), service, known=shared)
            for service in (
                GatewaySettings,
                EmbedderSettings,
                IndexerSettings,
                SearcherSettings,
                TrainerSettings,
                OrchestratorSettings,
            )
        ),
    ]
    return "\n".join(sections).encode()


def _settings_of(title: str, settings: type[SharedSettings], *, known: frozenset[str]) -> str:
    rows = [
        f"| `SIGHTWIRE_{name.upper()}` | {_default_of(field)} | {_one_line(field.description or '')} | {reload} |"
        for name, field in settings.model_fields.items()
        if name not in known
        for reload in ["yes" if is_reloadable(settings, name) else ""]
    ]
    summary = _one_line((settings.__doc__ or "").partition("\n\n")[0])
    return "\n".join(
        [f"## {title}", summary, "", "| variable | default | what | reload |", "|---|---|---|---|", *rows, ""]
    )


def _default_of(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see right"
    if isinstance(field.default, BaseModel):
        return f"`{field.default.model_dump_json()}`"
    return "–" if field.default in (None, "") else f"`{field.default}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


async def _consume_nothing(_: object) -> None:
    """Stands where a running service has its pipeline: documents need to know what comes, not what becomes of it."""


#: Each file of this folder that is generated.
DOCUMENTS: Final[Mapping[str, Callable[[], bytes]]] = {
    **{f"schemas/{name}.json": partial(json_schema, name, model) for name, model in _SCHEMAS.items()},
    "asyncapi/embedder.json": embedder_asyncapi,
    "asyncapi/indexer.json": indexer_asyncapi,
    "asyncapi/searcher.json": searcher_asyncapi,
    "asyncapi/trainer.json": trainer_asyncapi,
    "asyncapi/orchestrator.json": orchestrator_asyncapi,
    "openapi.json": gateway_openapi,
    "settings.md": settings_table,
}


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def main() -> None:
    """Writes every document."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _HERE
    # Documents must not depend on the settings of whoever makes them.
    for variable in [name for name in os.environ if name.startswith("SIGHTWIRE_")]:
        del os.environ[variable]
    for name, document in DOCUMENTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document())


if __name__ == "__main__":
    main()
