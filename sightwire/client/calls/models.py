"""Registered models and their aliases."""

from collections.abc import Mapping
from typing import Any

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body, without_none
from sightwire.contracts.model_control import (
    AliasMoves,
    ModelList,
    ModelRegistration,
    RegisteredModel,
    ServedModel,
    ServedModels,
)
from sightwire.contracts.models import AliasMove, ModelComparison, ModelId, ModelLineage, ModelNotes

#: Beyond the client's own patience: a bundle is copied.
_REGISTER_SECONDS = 300.0


def register_model(
    bundle: Mapping[str, str],
    *,
    notes: ModelNotes | Mapping[str, Any] | None,
    lineage: ModelLineage | Mapping[str, Any] | None,
    expected_sha256: str | None,
) -> Call[ModelRegistration]:
    """`bundle` is `{"kind": "stored", "prefix": …}` or `{"kind": "folder", "path": …}`."""
    return Call(
        "POST",
        _MODELS,
        json_reader(ModelRegistration.model_validate),
        body=without_none(
            bundle=dict(bundle),
            notes=None if notes is None else plain_body(notes),
            lineage=None if lineage is None else plain_body(lineage),
            expected_sha256=expected_sha256,
        ),
        extra_seconds=_REGISTER_SECONDS,
    )


def list_models(
    *,
    name: str | None,
    space: str | None,
    tag: str | None,
    alias: str | None,
    with_deprecated: bool,
    limit: int,
    cursor: str | None,
) -> Call[ModelList]:
    params = without_none(
        name=name,
        space=space,
        tag=tag,
        alias=alias,
        with_deprecated="true" if with_deprecated else None,
        limit=str(limit),
        cursor=cursor,
    )
    return Call("GET", _MODELS, json_reader(ModelList.model_validate), params)


def get_model(model: str) -> Call[RegisteredModel]:
    return Call("GET", _path(model), json_reader(RegisteredModel.model_validate))


def get_lineage(model: str) -> Call[ModelList]:
    return Call("GET", f"{_path(model)}/lineage", json_reader(ModelList.model_validate))


def compare_models(before: str, after: str) -> Call[ModelComparison]:
    path = f"{_path(before)}/compare/{path_segment(after)}"
    return Call("GET", path, json_reader(ModelComparison.model_validate))


def annotate_model(
    model: str, notes: ModelNotes | Mapping[str, Any], *, expected_revision: int | None
) -> Call[RegisteredModel]:
    revision = None if expected_revision is None else str(expected_revision)
    return Call(
        "PUT",
        f"{_path(model)}/notes",
        json_reader(RegisteredModel.model_validate),
        without_none(expected_revision=revision),
        body=plain_body(notes),
        repeatable=expected_revision is None,
    )


def deprecate_model(model: str, reason: str, *, replacement: ModelId | None) -> Call[RegisteredModel]:
    by_id = None if replacement is None else plain_body(replacement)
    return Call(
        "POST",
        f"{_path(model)}/deprecate",
        json_reader(RegisteredModel.model_validate),
        body=without_none(reason=reason, replacement=by_id),
        repeatable=False,
    )


def list_aliases(name: str) -> Call[AliasMoves]:
    return Call("GET", f"{_path(name)}/aliases", json_reader(AliasMoves.model_validate))


def read_alias(name: str, alias: str) -> Call[AliasMoves]:
    return Call("GET", _alias_path(name, alias), json_reader(AliasMoves.model_validate))


def set_alias(name: str, alias: str, version: str, *, expected: str | None, reason: str) -> Call[AliasMove]:
    return Call(
        "PUT",
        _alias_path(name, alias),
        json_reader(AliasMove.model_validate),
        body=without_none(version=version, expected=expected, reason=reason),
        repeatable=False,
    )


def remove_alias(name: str, alias: str, *, expected: str | None, reason: str) -> Call[AliasMove]:
    params = without_none(expected=expected, reason=reason or None)
    return Call("DELETE", _alias_path(name, alias), json_reader(AliasMove.model_validate), params, repeatable=False)


def roll_back_alias(name: str, alias: str, *, reason: str) -> Call[AliasMove]:
    return Call(
        "POST",
        f"{_alias_path(name, alias)}/rollback",
        json_reader(AliasMove.model_validate),
        body={"reason": reason},
        # Twice, it means again what it meant.
        repeatable=False,
    )


def load_model(name: str, version: str) -> Call[ServedModel]:
    return Call("POST", "/load-model", json_reader(ServedModel.model_validate), body={"name": name, "version": version})


def switch_model(name: str, version: str) -> Call[ServedModel]:
    body = {"name": name, "version": version}
    return Call("POST", "/switch-model", json_reader(ServedModel.model_validate), body=body)


def list_served() -> Call[ServedModels]:
    return Call("GET", _SERVED, json_reader(ServedModels.model_validate))


def get_served(name: str, version: str) -> Call[ServedModel]:
    return Call("GET", _served_path(name, version), json_reader(ServedModel.model_validate))


def unload_model(name: str, version: str) -> Call[ServedModels]:
    path = _served_path(name, version)
    return Call("DELETE", path, json_reader(ServedModels.model_validate), repeatable=False)


_MODELS = "/v1/models"
_SERVED = "/v1/served-models"


def _path(model: str) -> str:
    return f"{_MODELS}/{path_segment(model)}"


def _alias_path(name: str, alias: str) -> str:
    return f"{_path(name)}/aliases/{path_segment(alias)}"


def _served_path(name: str, version: str) -> str:
    return f"{_SERVED}/{path_segment(name)}/{path_segment(version)}"
