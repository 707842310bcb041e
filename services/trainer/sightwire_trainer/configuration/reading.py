"""Configurations out of YAML files, with their relative paths placed."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration.data import FolderSource, Source, TarSource
from sightwire_trainer.configuration.run import TrainingConfiguration


def read_configuration(path: Path) -> TrainingConfiguration:
    """The configuration in a YAML file; its relative paths are of the file's folder.

    Raises:
        InvalidInputError: the file cannot be read or does not describe a run; the message says where.
    """
    return parse_configuration(read_content(path), base=path.parent, name=str(path))


def read_content(path: Path) -> object:
    """What a YAML file holds, not yet checked.

    Raises:
        InvalidInputError: the file cannot be read or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"cannot read the training configuration {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        fault = " ".join(str(error).split())
        raise InvalidInputError(f"the training configuration {path} is no YAML: {fault}") from error


def parse_configuration(content: object, *, base: Path, name: str) -> TrainingConfiguration:
    """A configuration of what YAML or JSON gave; relative paths are of `base`, `name` is for messages.

    Raises:
        InvalidInputError: it does not describe a run; the message has the path of each fault.
    """
    try:
        configuration = TrainingConfiguration.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in error.errors()
        )
        raise InvalidInputError(f"{name} does not describe a training run: {faults}") from error
    return _with_base(configuration, base)


def _with_base(configuration: TrainingConfiguration, base: Path) -> TrainingConfiguration:
    def placed(source: Source) -> Source:
        if isinstance(source, TarSource):
            return source.model_copy(update={"path": base / source.path})
        if isinstance(source, FolderSource):
            path = base / source.path
            return source.model_copy(update={"path": path, "captions": path / source.captions})
        return source

    data = configuration.data
    placed_data = data.model_copy(
        update={part: tuple(map(placed, getattr(data, part))) for part in ("train", "validation", "held_out")}
    )
    teachers = tuple(base / teacher for teacher in configuration.objective.teachers)
    objective = configuration.objective.model_copy(update={"teachers": teachers})
    model = configuration.model.model_copy(
        update={
            part: base / path
            for part in ("bundle", "init_from")
            if (path := getattr(configuration.model, part)) is not None
        }
    )
    changes: dict[str, object] = {"data": placed_data, "objective": objective, "model": model}
    if configuration.begin_with is not None:
        changes["begin_with"] = base / configuration.begin_with
    return configuration.model_copy(update=changes)
