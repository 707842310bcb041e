"""Models of a bundle that run on a Triton server, as graphs that the embedder's batchers call."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sightwire.bundles import Bundle, BundleError
from sightwire.bundles.inference import Array, Graph, limited
from sightwire.v1 import triton_pb2
from sightwire_embedder.triton.configurations import SHA256_PARAMETER, ServedGraph, graphs_of
from sightwire_embedder.triton.connection import TritonConnection
from sightwire_embedder.triton.tensors import outputs_of, request_of


class TritonLoader:
    """Finds a bundle's models on a server, and checks that they are the bundle's."""

    #: Calls wait for another process.
    computes_in_callers_thread = False

    def __init__(self, connection: TritonConnection, bundle: Bundle) -> None:
        self._connection = connection
        self._bundle = bundle
        self._graphs = {bundle.path(graph.file): graph for graph in graphs_of(bundle.spec)}

    @property
    def engine(self) -> str:
        """Raises `ModelServerAwayError` when the server does not answer."""
        return f"{self._connection.version()} at {self._connection.url}"

    def load(self, path: Path, outputs: Sequence[str]) -> Graph:
        """The model on the server that is made of the file `path`.

        Raises:
            BundleError: the server does not have it, or has another one of its name.
            ModelServerAwayError: the server does not answer.
        """
        expected = self._graphs[path]
        found = self._connection.model_config(expected.model)
        if found is None:
            raise BundleError(f"Triton at {self._connection.url} has no model {expected.model!r}; {self._what_to_do()}")
        self._check(expected, found, outputs)
        graph = TritonGraph(self._connection, expected.model, tuple(outputs))
        # Without batches Triton takes no dimension for them.
        return limited(graph, found.max_batch_size)

    def _check(self, expected: ServedGraph, found: triton_pb2.ModelConfig, outputs: Sequence[str]) -> None:
        model, url = expected.model, self._connection.url
        sha256 = self._sha256_of(expected.file)
        found_sha256 = found.parameters[SHA256_PARAMETER].string_value if SHA256_PARAMETER in found.parameters else None
        # A configuration that somebody wrote by hand may not tell.
        if found_sha256 is not None and found_sha256 != sha256:
            raise BundleError(
                f"Triton at {url} has the model {model!r} of another file: expected sha256 {sha256}, found "
                f"{found_sha256}; {self._what_to_do()}"
            )
        if found.max_batch_size < 1:
            raise BundleError(f"Triton at {url} takes no batches for the model {model!r}; {self._what_to_do()}")
        for kind, wanted, existing in (
            ("inputs", {tensor.name for tensor in expected.inputs}, {tensor.name for tensor in found.input}),
            ("outputs", set(outputs), {tensor.name for tensor in found.output}),
        ):
            if not wanted <= existing:
                raise BundleError(
                    f"Triton at {url}: expected the model {model!r} with the {kind} {', '.join(sorted(wanted))}, found "
                    f"{', '.join(sorted(existing))}; {self._what_to_do()}"
                )

    def _sha256_of(self, file: str) -> str:
        return next(listed.sha256 for listed in self._bundle.spec.files if listed.path == file)

    def _what_to_do(self) -> str:
        return (
            f"run `sightwire models triton {self._bundle.folder} --out REPOSITORY` for the server's repository, and "
            "have it load what is new there"
        )


class TritonGraph:
    """A `Graph` on a server."""

    def __init__(self, connection: TritonConnection, model: str, outputs: tuple[str, ...]) -> None:
        self._connection = connection
        self._model = model
        self._outputs = outputs

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """The outputs, in the order in which they were asked for when loading.

        Raises:
            ModelServerAwayError: the server does not answer in time.
            OverloadedError: it has too much to do.
            RuntimeError: the model failed.
        """
        return outputs_of(self._connection.infer(request_of(self._model, inputs, self._outputs)), self._outputs)
