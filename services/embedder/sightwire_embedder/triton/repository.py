"""The model repository of a bundle: what a Triton server needs in a folder so that it runs the bundle's models."""

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from sightwire.bundles import BUNDLE_FILE, Bundle
from sightwire.v1 import triton_pb2
from sightwire_embedder.triton.configurations import (
    BUNDLE_PARAMETER,
    ServedGraph,
    as_text,
    graph_configuration,
    graphs_of,
    read_text,
)
from sightwire_embedder.triton.engines import build_script
from sightwire_embedder.triton.ensemble import ensemble_configurations, why_no_ensemble
from sightwire_embedder.triton.errors import ModelRepositoryError
from sightwire_embedder.triton.options import ServingOptions, TritonBackend

CONFIGURATION_FILE: Final = "config.pbtxt"
BUILD_SCRIPT: Final = "build-engines.sh"
_VERSION: Final = "1"
_CODE_ARCHIVE: Final = "sightwire.zip"
#: What the Python models import, and what those import in turn.
_SERVER_MODULES: Final = (
    ("sightwire", "__init__.py"),
    ("sightwire", "errors.py"),
    ("sightwire.contracts", "__init__.py"),
    ("sightwire.contracts", "names.py"),
    ("sightwire.bundles", "__init__.py"),
    ("sightwire.bundles", "inference.py"),
    ("sightwire.bundles", "loading.py"),
    ("sightwire.bundles", "pictures.py"),
    ("sightwire.bundles", "preprocessing.py"),
    ("sightwire.bundles", "spec.py"),
    ("sightwire_embedder", "__init__.py"),
    ("sightwire_embedder", "crops.py"),
    ("sightwire_embedder", "detection.py"),
)


@dataclass(frozen=True, slots=True)
class ModelRepository:
    """What was written."""

    models: tuple[str, ...]
    #: Why there is no ensemble among them, None if there is one.
    no_ensemble: str | None


def write_repository(bundle: Bundle, folder: Path, options: ServingOptions) -> ModelRepository:
    """Writes the models of a verified bundle into a model repository, which may hold those of other bundles.

    Each model's folder appears only when it is whole, in the place of an older one of the same bundle.

    Raises:
        ModelRepositoryError: another bundle has models of the same names there.
    """
    spec = bundle.spec
    graphs = graphs_of(spec)
    no_ensemble = why_no_ensemble(spec)
    steps = {} if no_ensemble is not None else ensemble_configurations(spec)
    models = (*(graph.model for graph in graphs), *steps)
    _refuse_models_of_others(folder, models, f"{spec.name}:{spec.version}")
    folder.mkdir(parents=True, exist_ok=True)
    for graph in graphs:
        with _NewModel(folder, graph_configuration(graph, spec, options)) as version:
            _fill_graph(version, graph, bundle, options)
    for configuration in steps.values():
        with _NewModel(folder, configuration) as version:
            if configuration.backend == "python":
                _add_code(version, "step_model.py")
                shutil.copyfile(bundle.path(BUNDLE_FILE), version / BUNDLE_FILE)
    if options.backend is TritonBackend.TENSORRT:
        script = folder / BUILD_SCRIPT
        script.write_text(build_script(graphs), encoding="utf-8")
        script.chmod(0o755)
    return ModelRepository(models, no_ensemble)


class _NewModel:
    """The folder of a model while it is written, outside of those that a server looks at."""

    def __init__(self, folder: Path, configuration: triton_pb2.ModelConfig) -> None:
        self._final = folder / configuration.name
        self._configuration = configuration

    def __enter__(self) -> Path:
        """The folder of the version."""
        self._partial = Path(tempfile.mkdtemp(dir=self._final.parent.absolute().parent, prefix=".sightwire-triton-"))
        self._partial.chmod(0o755)  # temporary folders are for their owner alone
        (self._partial / CONFIGURATION_FILE).write_text(as_text(self._configuration), encoding="utf-8")
        version = self._partial / _VERSION
        version.mkdir()
        return version

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            return
        if self._final.exists():
            shutil.rmtree(self._final)
        self._partial.rename(self._final)


def _fill_graph(version: Path, graph: ServedGraph, bundle: Bundle, options: ServingOptions) -> None:
    # For TensorRT it is what the engine is built from.
    shutil.copyfile(bundle.path(graph.file), version / "model.onnx")
    if options.backend is TritonBackend.PYTHON:
        _add_code(version, "graph_model.py")


def _add_code(version: Path, module: str) -> None:
    code = files("sightwire_embedder.triton.server_code").joinpath(module)
    (version / "model.py").write_bytes(code.read_bytes())
    with zipfile.ZipFile(version / _CODE_ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for package, file in _SERVER_MODULES:
            archive.writestr(f"{package.replace('.', '/')}/{file}", files(package).joinpath(file).read_bytes())


def _refuse_models_of_others(folder: Path, models: tuple[str, ...], bundle: str) -> None:
    for model in models:
        path = folder / model / CONFIGURATION_FILE
        if not path.exists():
            continue
        parameters = read_text(path.read_text(encoding="utf-8")).parameters
        other = parameters[BUNDLE_PARAMETER].string_value if BUNDLE_PARAMETER in parameters else "somebody else"
        if other != bundle:
            raise ModelRepositoryError(
                f"{folder / model} is a model of {other}, not of {bundle}; choose another folder, or other names in "
                f"the section `triton` of the bundle's {BUNDLE_FILE}"
            )
