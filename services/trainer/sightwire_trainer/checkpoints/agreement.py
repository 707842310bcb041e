"""Whether a run may go on from the checkpoint of another configuration."""

from collections.abc import Iterator
from typing import Any, Final

from sightwire.errors import ConflictError
from sightwire_trainer.checkpoints.manifest import CheckpointManifest, configuration_digest

#: What names the result, how quickly it is reached, or where something lies, and changes no weight.
_FREE_KEYS: Final = (
    "name",
    "version",
    "space",
    "description",
    "checkpoints",
    "data.workers",
    "data.cache_bytes",
    "objective.hard_negatives.gateway",
)
_SHOWN_AT_MOST: Final = 6
_ABSENT: Final = object()


def require_same_configuration(manifest: CheckpointManifest, configuration: dict[str, Any]) -> None:
    """Does nothing when a run of `configuration` may go on from the checkpoint.

    Raises:
        ConflictError: other weights would come out; the message names the keys that differ and what to do.
    """
    if manifest.configuration_sha256 == configuration_digest(configuration):
        return
    differences = told_differences(manifest.configuration, configuration)
    if differences:
        raise ConflictError(
            f"the checkpoint of step {manifest.step} was written with another configuration: {differences}; resume "
            "with the one that it was written with, train into another folder, or begin anew with --fresh"
        )


def told_differences(before: dict[str, Any], now: dict[str, Any], *, but: str | None = None) -> str:
    """The keys that make other weights, apart from the key `but`, and both values of each; empty if there are none."""
    differences = [
        f"{key} (was {_shown(one)}, is {_shown(other)})"
        for key, one, other in differing_keys(before, now)
        if key != but and not _is_free(key)
    ]
    more = len(differences) - _SHOWN_AT_MOST
    return ", ".join(differences[:_SHOWN_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def differing_keys(
    before: dict[str, Any], now: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Dotted path and both values of each entry that differs; what one lacks is shown as absent."""
    for name in sorted(before.keys() | now.keys()):
        one, other = before.get(name, _ABSENT), now.get(name, _ABSENT)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from differing_keys(one, other, f"{prefix}{name}.")
        elif one != other:
            yield f"{prefix}{name}", one, other


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in _FREE_KEYS)


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
