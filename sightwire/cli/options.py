"""Options that several commands share."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sightwire.client import Sightwire
from sightwire.client.connection import API_KEY_VARIABLE, DEFAULT_URL, URL_VARIABLE

Url = Annotated[
    str,
    typer.Option("--url", envvar=URL_VARIABLE, help="Address of the platform's gateway.", show_default=DEFAULT_URL),
]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar=API_KEY_VARIABLE, help="Key, where the platform needs one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        "-D",
        envvar="SIGHTWIRE_DATA_DIR",
        help="Folder that holds everything the platform keeps.",
        file_okay=False,
    ),
]
CollectionArgument = Annotated[
    str, typer.Argument(help="Name of the collection.", autocompletion=lambda incomplete: complete_names(incomplete))
]
#: The collection of the gateway's routes that name none.
DEFAULT_COLLECTION = "default"
CollectionOption = Annotated[
    str,
    typer.Option(
        "--collection",
        "-c",
        envvar="SIGHTWIRE_COLLECTION",
        help="Name of the collection.",
        autocompletion=lambda incomplete: complete_names(incomplete),
    ),
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help='Filter as JSON, such as \'{"tags_any": ["red"]}\'.')
]


def complete_names(incomplete: str) -> list[str]:
    """Names of collections, for the shell's completion; none when no platform answers."""
    from sightwire.errors import SightwireError

    try:
        with Sightwire(timeout=1.0) as sightwire:
            names = [summary.name for summary in sightwire.collections.list()]
    except SightwireError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def json_object(text: str | None, option: str) -> dict[str, Any] | None:
    """The JSON object given as `option`; a usage error when it is something else."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"expected a JSON object, got {text!r}: {error}", param_hint=option) from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"expected a JSON object, got {text!r}", param_hint=option)
    return value
