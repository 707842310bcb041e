"""Writes a bundle's folder, which appears under its name only when it is whole and verified."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import onnx
import yaml
from pydantic import ValidationError

from sightwire.bundles import BUNDLE_FILE, Bundle, BundleError, BundleSpec, file_sha256, load_bundle
from sightwire.bundles.spec import BundleFile
from sightwire.errors import ConflictError
from sightwire.segments.atomic_folder import flush_to_disk

LICENCES_FILE: Final = "LICENCES.md"


class BundleWriter:
    """A bundle while it is made, in a hidden folder beside its final one. Leaving without `publish` leaves nothing::

    with BundleWriter(Path("bundles"), "clipart", "2") as writer:
        writer.add("image-encoder.onnx", data, licence="CC0-1.0", origin="trained as `provenance` says")
        folder = writer.publish(space="clipart-2", dimension=384, metric="cosine", ...)
    """

    def __init__(self, destination: Path, name: str, version: str) -> None:
        """`destination` is the folder that holds bundles; this one becomes `destination/<name>-<version>`."""
        self._final = destination / f"{name}-{version}"
        self._name = name
        self._version = version
        self._files: list[BundleFile] = []
        self._sources: dict[Path, Bundle] = {}

    def __enter__(self) -> Self:
        """Raises `ConflictError` when something else than a bundle has its place."""
        if self._final.exists() and not (self._final / BUNDLE_FILE).is_file():
            raise ConflictError(f"{self._final} exists and is no bundle; move it away, or choose another folder")
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = tempfile.TemporaryDirectory(dir=self._final.parent, prefix=".building-")
        self.folder = Path(self._temporary.name) / self._final.name
        self.folder.mkdir()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._temporary.cleanup()

    def add(self, path: str, data: bytes, *, licence: str, origin: str) -> str:
        """Writes a file and lists it; answers `path`."""
        (self.folder / path).write_bytes(data)
        return self.add_written(path, licence=licence, origin=origin)

    def add_graph(self, path: str, model: onnx.ModelProto, *, licence: str, origin: str) -> str:
        """Writes a graph, byte for byte the same for the same graph; answers `path`."""
        return self.add(path, model.SerializeToString(deterministic=True), licence=licence, origin=origin)

    def add_written(self, path: str, *, licence: str, origin: str) -> str:
        """Lists a file that lies in `folder` already; answers `path`."""
        sha256 = file_sha256(self.folder / path)
        self._files.append(BundleFile(path=path, sha256=sha256, licence=licence, origin=origin))
        return path

    def has(self, path: str) -> bool:
        """Whether the file is listed already."""
        return any(file.path == path for file in self._files)

    def add_from(self, source: Bundle, path: str) -> str:
        """Takes a file over from another bundle, with its licence and origin; answers `path`."""
        listed = next(file for file in source.spec.files if file.path == path)
        shutil.copyfile(source.path(path), self.folder / path)
        self._sources[source.folder] = source
        self._files.append(listed)
        return path

    def publish(self, **members: Any) -> Path:
        """Writes `bundle.yaml` with the other members of `BundleSpec`, verifies everything, and puts it into place.

        A bundle of the same name and version is replaced. Raises `BundleError` when the members do not fit together.
        """
        self.add(LICENCES_FILE, self._licences().encode(), licence="of the files", origin="the table in bundle.yaml")
        spec = self.unpublished(**members).spec
        content = spec.model_dump(mode="json", exclude_defaults=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        (self.folder / BUNDLE_FILE).write_text(text, encoding="utf-8")
        load_bundle(self.folder)
        for file in self.folder.iterdir():
            flush_to_disk(file)
        shutil.rmtree(self._final, ignore_errors=True)
        self.folder.rename(self._final)
        flush_to_disk(self._final.parent)
        return self._final

    def unpublished(self, **members: Any) -> Bundle:
        """What `publish` would put into place, to be tried before. Raises `BundleError` as `publish` does."""
        try:
            spec = BundleSpec(format=1, name=self._name, version=self._version, files=self._files, **members)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise BundleError(f"{self._name} {self._version} cannot be described as a bundle: {faults}") from error
        return Bundle(self.folder, spec)

    def _licences(self) -> str:
        lines = [f"# Licences of {self._name} {self._version}", *_table(self._files)]
        for source in self._sources.values():
            notice = source.path(LICENCES_FILE)
            if notice.is_file():
                _, _, text = notice.read_text(encoding="utf-8").partition("\n")
                lines += ["", f"## As of {source.spec.name} {source.spec.version}", text.strip()]
        return "\n".join(lines) + "\n"


def _table(files: Sequence[BundleFile]) -> list[str]:
    rows = [f"| `{file.path}` | {file.licence} | {file.origin} |" for file in files]
    return ["| file | licence | origin |", "|---|---|---|", *rows]
