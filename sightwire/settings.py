"""Settings that every service shares.

Each comes from an environment variable `SIGHTWIRE_<NAME>`, or from the YAML file that `SIGHTWIRE_CONFIG` names (keys in
lower case; the environment wins). A service adds its own with a prefix such as `SIGHTWIRE_EMBEDDER_`.

A setting that is marked `RELOADABLE` can change in the file while the service runs; see `sightwire.service.reloading`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import yaml
from pydantic import Field, NonNegativeFloat, SecretStr, ValidationError
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from sightwire.errors import ConfigurationError

CONFIG_FILE_VARIABLE = "SIGHTWIRE_CONFIG"

#: `json_schema_extra` of a setting whose new value a running service takes.
RELOADABLE: Final[JsonDict] = {"reloadable": True}

Port = Annotated[int, Field(ge=0, le=65535)]


class _YamlBackedSettings(BaseSettings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (init_settings, env_settings)
        config_file = os.environ.get(CONFIG_FILE_VARIABLE)
        if config_file is None:
            return sources
        if not Path(config_file).is_file():
            raise ConfigurationError(f"{CONFIG_FILE_VARIABLE} names {config_file!r}, which is not a file")
        return (*sources, YamlConfigSettingsSource(settings_cls, yaml_file=config_file))


class SharedSettings(_YamlBackedSettings):
    """Where the shared infrastructure is, and how a service shows itself."""

    # An empty variable counts as unset: compose files cannot leave one out.
    model_config = SettingsConfigDict(env_prefix="SIGHTWIRE_", env_ignore_empty=True, extra="ignore", frozen=True)

    nats_url: str = Field(default="nats://127.0.0.1:4222", description="Bus; several servers separated by commas")
    nats_user: str | None = Field(default=None, description="User of the bus")
    nats_password: SecretStr | None = Field(default=None, description="Password of the bus")
    nats_replicas: int = Field(default=1, ge=1, le=5, description="Replicas of each stream, at least; 3 for a cluster")

    blobs_url: str = Field(
        default="data/blobs",
        description="Blob store: a folder, or s3://bucket/prefix (keys, region and endpoint from AWS_* variables)",
    )

    host: str = Field(default="127.0.0.1", description="Address that the service binds to")
    ops_port: Port = Field(default=0, description="HTTP port for health, readiness and metrics; 0 for any free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level logged", json_schema_extra=RELOADABLE
    )
    log_format: Literal["json", "text"] = Field(default="json", description="`json`, or `text` for reading by eye")
    drain_seconds: NonNegativeFloat = Field(default=10.0, description="How long work in flight may take when stopping")

    fetch_allow: str = Field(
        default="",
        description="Hosts and networks, by commas, that pictures may be fetched from beside public addresses",
    )

    otlp_endpoint: str | None = Field(default=None, description="OTLP gRPC receiver for traces; none switches them off")
    trace_sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of new traces that are recorded")


SettingsType = TypeVar("SettingsType", bound=SharedSettings)


def load_settings(settings_class: type[SettingsType]) -> SettingsType:
    """Settings from the environment and the YAML file.

    Raises:
        ConfigurationError: a value is missing or wrong; the message names every one.
    """
    try:
        return settings_class()
    except ValidationError as error:
        prefix = settings_class.model_config.get("env_prefix", "")
        problems = "; ".join(f"{prefix}{problem.name.upper()}: {problem.text}" for problem in _problems(error))
        raise ConfigurationError(f"bad settings: {problems}") from None
    except (yaml.YAMLError, OSError, TypeError, ValueError) as error:
        # TypeError, ValueError: the file is YAML, but holds no keys.
        raise ConfigurationError(
            f"{os.environ.get(CONFIG_FILE_VARIABLE)!r} cannot be read as settings, a line of YAML for each: {error}"
        ) from None


def is_reloadable(settings_class: type[SharedSettings], name: str) -> bool:
    """Whether a running service takes a new value of the setting `name`."""
    extra = settings_class.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and extra.get("reloadable") is True


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """What is wrong with one setting."""

    name: str
    text: str


def problems_of_file(settings_class: type[SharedSettings], values: Mapping[str, object]) -> list[SettingProblem]:
    """Everything that is wrong with the values of a file for one service, whatever the environment says instead."""

    class FileAlone(settings_class):  # type: ignore[misc, valid-type]
        @classmethod
        def settings_customise_sources(
            cls, _settings_class: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: object
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings,)

    own = {name: value for name, value in values.items() if name in settings_class.model_fields}
    try:
        FileAlone(**own)
    except ValidationError as error:
        return _problems(error)
    return []


def read_settings_file(path: Path) -> dict[str, object]:
    """Keys and values of a settings file.

    Raises:
        ConfigurationError: it cannot be read, or is not a mapping in YAML.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read as YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigurationError(f"{str(path)!r} must hold settings, such as `log_level: DEBUG`, each on a line")
    return values


def _problems(error: ValidationError) -> list[SettingProblem]:
    return [
        SettingProblem("_".join(str(part) for part in item["loc"]), f"{item['msg']} (got {item['input']!r})")
        for item in error.errors()
    ]
