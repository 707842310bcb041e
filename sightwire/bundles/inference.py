"""What a bundle's models need of an inference engine, and ONNX Runtime as one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from sightwire.bundles.loading import BundleError

Array = NDArray[Any]


class Graph(Protocol):
    """A loaded model. Safe to call from several threads at once."""

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """The outputs, in the order in which they were asked for when loading. Blocks; releases the GIL."""
        ...


class GraphLoader(Protocol):
    """Opens model files for one engine."""

    @property
    def engine(self) -> str:
        """Its name and version; latencies are measured anew for another."""
        ...

    @property
    def computes_in_callers_thread(self) -> bool:
        """Whether the time of the thread that calls a graph is what the call costs."""
        ...

    def load(self, path: Path, outputs: Sequence[str]) -> Graph:
        """Raises `BundleError` when the file is not a graph with these outputs."""
        ...


class LimitedGraph:
    """A `Graph` whose calls have at most `max_batch` rows: longer ones are cut, and their outputs joined."""

    def __init__(self, graph: Graph, max_batch: int) -> None:
        self._graph = graph
        self._max_batch = max_batch

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """The outputs, in the order in which they were asked for when loading."""
        rows = len(next(iter(inputs.values())))
        if rows <= self._max_batch:
            return self._graph.run(inputs)
        parts = [
            self._graph.run({name: array[start : start + self._max_batch] for name, array in inputs.items()})
            for start in range(0, rows, self._max_batch)
        ]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def limited(graph: Graph, max_batch: int | None) -> Graph:
    """The graph for any number of rows, though it takes only `max_batch` (none: any) in one call."""
    return graph if max_batch is None else LimitedGraph(graph, max_batch)


class OnnxRuntimeLoader:
    """Opens ONNX files with ONNX Runtime on the CPU."""

    def __init__(self, threads_per_call: int = 1) -> None:
        """`threads_per_call`: cores that one call uses. One gives the best throughput, as calls run side by side."""
        self.threads_per_call = threads_per_call
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        self.computes_in_callers_thread = threads_per_call == 1

    def load(self, path: Path, outputs: Sequence[str]) -> "OnnxGraph":
        """Raises `BundleError` when the file is not a graph with these outputs."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads_per_call
        options.inter_op_num_threads = 1
        # Threads that spin for their next operator take the cores from the other services.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Batches have many shapes, and a plan of the memory would be kept for each of them.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors share no narrower base class
            raise BundleError(f"ONNX Runtime {onnxruntime.__version__} cannot load {path}: {error}") from error
        existing = [output.name for output in session.get_outputs()]
        missing = sorted(set(outputs) - set(existing))
        if missing:
            raise BundleError(f"{path}: expected the outputs {', '.join(missing)}, found {', '.join(existing)}")
        return OnnxGraph(session, list(outputs))


class OnnxGraph:
    """A `Graph` in an ONNX Runtime session."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: list[str]) -> None:
        self._session = session
        self._outputs = outputs

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """The outputs, in the order in which they were asked for when loading."""
        return [np.asarray(output) for output in self._session.run(self._outputs, dict(inputs))]
