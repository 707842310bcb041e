"""Which checkpoints stay: the last, the best, and some older ones."""

from collections.abc import Sequence

from sightwire_trainer.checkpoints.manifest import CheckpointManifest


def best_of(manifests: Sequence[CheckpointManifest], select_by: str) -> CheckpointManifest | None:
    """The one with the highest measure, the earlier of equals; None when none was measured so."""
    measured = [manifest for manifest in manifests if select_by in manifest.measures]
    return max(measured, key=lambda manifest: (manifest.measures[select_by], -manifest.step), default=None)


def steps_to_keep(manifests: Sequence[CheckpointManifest], *, select_by: str, older: int) -> frozenset[int]:
    """Steps of the best and the last checkpoint and of the `older` latest ones before the last."""
    latest = sorted((manifest.step for manifest in manifests), reverse=True)[: older + 1]
    best = best_of(manifests, select_by)
    return frozenset(latest) | ({best.step} if best else frozenset())
