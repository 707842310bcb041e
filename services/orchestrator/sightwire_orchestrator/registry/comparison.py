"""What differs between two registered versions."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from sightwire.contracts.models import (
    ConfigurationDifference,
    FileDifference,
    MetricDifference,
    ModelComparison,
    ModelFile,
    ModelVersion,
)


def compare(before: ModelVersion, after: ModelVersion) -> ModelComparison:
    """Compares two versions, of one model or of two."""
    return ModelComparison(
        before=before.id,
        after=after.id,
        same_space=before.space == after.space,
        configuration=tuple(_configuration_differences(before.configuration, after.configuration)),
        metrics=tuple(_metric_differences(before.metrics, after.metrics)),
        files=tuple(_file_differences(before.files, after.files)),
    )


def _configuration_differences(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], prefix: str = ""
) -> Iterator[ConfigurationDifference]:
    """By path, such as `image_encoder.size`; a list is one value."""
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _configuration_differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield ConfigurationDifference(path=f"{prefix}{key}", before=old, after=new)


def _metric_differences(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[MetricDifference]:
    for metric in sorted(before.keys() | after.keys()):
        yield MetricDifference(metric=metric, before=before.get(metric), after=after.get(metric))


def _file_differences(before: tuple[ModelFile, ...], after: tuple[ModelFile, ...]) -> Iterator[FileDifference]:
    old_files = {file.path: file for file in before}
    new_files = {file.path: file for file in after}
    for path in sorted(old_files.keys() | new_files.keys()):
        old, new = old_files.get(path), new_files.get(path)
        if old is None and new is not None:
            yield FileDifference(path=path, change="added", bytes_before=None, bytes_after=new.bytes)
        elif old is not None and new is None:
            yield FileDifference(path=path, change="removed", bytes_before=old.bytes, bytes_after=None)
        elif old is not None and new is not None and old.sha256 != new.sha256:
            yield FileDifference(path=path, change="changed", bytes_before=old.bytes, bytes_after=new.bytes)
