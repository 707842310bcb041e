"""Runs `sightwire` with given arguments, in a process forked for each time: what it imports is imported once.

`tests.plugin.warm_command` starts this with the path of the socket to listen on. A request is a line of JSON with
`arguments`, `environment` and `directory`; the answer is what the command prints on both streams, NUL, and its exit
status.
"""

import json
import os
import signal
import socket
import sys
import traceback

from sightwire.cli.main import run


def serve(path: str) -> None:
    """Answers requests until killed."""
    # Nobody waits for the processes that are forked here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        while True:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _answer(connection)


def _answer(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as lines:
        request = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.argv = ["sightwire", *request["arguments"]]
    for stream in (sys.stdout, sys.stderr):
        os.dup2(connection.fileno(), stream.fileno())
    status = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(b"\0%d" % status)
    os._exit(0)


def _run() -> int:
    """The exit status that Python would end with."""
    try:
        run()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
