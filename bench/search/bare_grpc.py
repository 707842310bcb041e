"""The least that a Python search server can be: FAISS behind one gRPC method that takes and answers plain bytes.

Nothing is checked, filtered, counted or named: what Sightwire adds is told apart from what Python and gRPC cost. Of
gRPC's two servers it is the one with threads, which answers more than the asynchronous one.
Started as a process of its own: `python -m bench.search.bare_grpc INDEX`, with a file of FAISS.
"""

import functools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import faiss
import grpc
import numpy as np

from bench.search.task import K

METHOD: Final = "/bench.Bare/Search"
EFFORT_BYTES: Final = 4
#: As the searcher's: more threads answer less, as they take the interpreter from each other.
_THREADS: Final = 2 * (os.cpu_count() or 1)


def serve(path: str) -> None:
    """Serves until standard input ends; prints the port first."""
    index = faiss.read_index(path)

    def search(request: bytes, _context: object) -> bytes:
        """The effort as uint32 and a float32 vector, for K rows as int64 and K scores as float32; little-endian."""
        parameters = faiss.SearchParametersHNSW(efSearch=int.from_bytes(request[:EFFORT_BYTES], "little"))
        query = np.frombuffer(request, dtype="<f4", offset=EFFORT_BYTES).reshape(1, index.d)
        scores, rows = index.search(query, K, params=parameters)
        answer: bytes = rows.tobytes() + scores.tobytes()
        return answer

    service, method = METHOD.strip("/").split("/")
    server = grpc.server(ThreadPoolExecutor(_THREADS, initializer=functools.partial(faiss.omp_set_num_threads, 1)))
    handler = grpc.unary_unary_rpc_method_handler(search)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    serve(sys.argv[1])
