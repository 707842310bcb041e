"""Options whose value is a file with a JSON or YAML document."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml

GatesFile = Annotated[
    Path | None,
    typer.Option(
        "--gates",
        help="JSON or YAML file with thresholds of the gates, instead of those configured.",
        exists=True,
        dir_okay=False,
    ),
]


def read_document(path: Path | None, option: str) -> dict[str, Any]:
    """The object in a file, empty without one; a usage error when it holds something else."""
    if path is None:
        return {}
    try:
        # YAML reads JSON as well.
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is neither JSON nor YAML: {error}", param_hint=option) from None
    if not isinstance(document, dict):
        raise typer.BadParameter(f"{path} should hold one object, got {type(document).__name__}", param_hint=option)
    return orjson.loads(orjson.dumps(document)) if document else {}


def read_gates(path: Path | None) -> dict[str, Any] | None:
    """Thresholds of the gates in a file, None without one."""
    return read_document(path, "--gates") if path is not None else None
