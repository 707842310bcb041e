"""The supervisor with real processes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sightwire.platform.errors import PlatformError
from sightwire.platform.process_log import ProcessLog, read_log_line
from sightwire.platform.restarts import RestartPolicy
from sightwire.platform.supervised_process import ProcessEvent, ProcessSpec, ProcessState
from sightwire.platform.supervisor import Supervisor
from tests.plugin.waiting import Eventually

QUICK = RestartPolicy(first_delay=0.01, longest_delay=0.05)
# Says when it is ready by making a file, and writes its name to a shared file when it is asked to end.
SERVER = """
import os, pathlib, signal, sys, threading
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def end(*_):
    with open(folder / "ended", "a") as file:
        file.write(name + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
(folder / (name + ".ready")).touch()
print("hello from", name, flush=True)
threading.Event().wait()
"""


def server_spec(name: str, folder: Path, script: str = SERVER, **options: float) -> ProcessSpec:
    async def is_ready() -> bool:
        return (folder / f"{name}.ready").exists()

    return ProcessSpec(
        name=name,
        command=(sys.executable, "-S", "-c", script, name, str(folder)),
        environment=dict(os.environ),
        log_path=folder / "logs" / f"{name}.log",
        is_ready=is_ready,
        **options,
    )


@asynccontextmanager
async def running(
    *groups: list[ProcessSpec], on_event: Callable[[ProcessEvent], None] = lambda _event: None
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(groups, policy=QUICK, on_event=on_event)
    await supervisor.start(deadline=10)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_starts_in_order_and_stops_in_the_opposite_order(tmp_path: Path) -> None:
    groups = [[server_spec("bus", tmp_path)], [server_spec("worker", tmp_path), server_spec("door", tmp_path)]]
    async with running(*groups) as supervisor:
        assert [process.state for process in supervisor.processes] == [ProcessState.READY] * 3
        process_ids = [process.process_id for process in supervisor.processes]
    assert (tmp_path / "ended").read_text().split() == ["door", "worker", "bus"]
    assert not any(is_alive(process_id) for process_id in process_ids if process_id)


async def test_killed_process_comes_back(tmp_path: Path, eventually: Eventually) -> None:
    events: list[ProcessEvent] = []
    async with running([server_spec("worker", tmp_path)], on_event=events.append) as supervisor:
        worker = supervisor.processes[0]
        for kills in (1, 2, 3):
            before = worker.process_id
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await eventually(lambda kills=kills: worker.restarts == kills and worker.state is ProcessState.READY)
            assert worker.process_id != before
    assert sum("killed by signal 9" in event.message for event in events) == 3


async def test_workers_left_by_a_killed_process_end_with_it(tmp_path: Path, eventually: Eventually) -> None:
    script = f"""
import pathlib, subprocess, sys
worker = subprocess.Popen(["sleep", "600"])
pathlib.Path({str(tmp_path)!r}, "worker.pid").write_text(str(worker.pid))
pathlib.Path({str(tmp_path)!r}, "parent.ready").touch()
worker.wait()
"""
    async with running([server_spec("parent", tmp_path, script)]) as supervisor:
        orphan = int((tmp_path / "worker.pid").read_text())
        parent = supervisor.processes[0].process_id
        assert parent is not None
        os.kill(parent, signal.SIGKILL)
        await eventually(lambda: not is_alive(orphan))
        await eventually(lambda: supervisor.processes[0].restarts == 1)


async def test_process_that_never_becomes_ready_fails_the_start_with_its_log(tmp_path: Path) -> None:
    script = "import sys; print('the model file is missing', flush=True); sys.exit(3)"
    supervisor = Supervisor([[server_spec("bus", tmp_path)], [server_spec("broken", tmp_path, script)]], policy=QUICK)
    with pytest.raises(PlatformError, match=r"(?s)broken failed .*exit status 3.*the model file is missing"):
        await supervisor.start(deadline=10)
    assert supervisor.processes[0].state is ProcessState.STOPPED


async def test_bad_settings_are_not_tried_again(tmp_path: Path) -> None:
    script = "import sys; sys.exit(78)"
    supervisor = Supervisor([[server_spec("misconfigured", tmp_path, script)]], policy=QUICK)
    with pytest.raises(PlatformError, match="its settings cannot work"):
        await supervisor.start(deadline=10)
    assert supervisor.processes[0].restarts == 0


async def test_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    script = SERVER.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    async with running([server_spec("stubborn", tmp_path, script, stop_seconds=0.1)]) as supervisor:
        process_id = supervisor.processes[0].process_id
    assert process_id is not None
    assert not is_alive(process_id)


async def test_failure_for_good_is_reported(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "pathlib.Path(sys.argv[2], 'door.ready').touch()\n"
        "while not pathlib.Path(sys.argv[2], 'fail').exists(): time.sleep(0.01)\n"
        "sys.exit(78)"
    )
    async with running([server_spec("door", tmp_path, script)]) as supervisor:
        (tmp_path / "fail").touch()
        with pytest.raises(PlatformError, match="door failed"):
            await supervisor.wait_until_failure()


async def test_missing_program_is_a_clear_error(tmp_path: Path) -> None:
    spec = server_spec("ghost", tmp_path)
    ghost = ProcessSpec(
        name=spec.name, command=("/nowhere/ghost",), environment={}, log_path=spec.log_path, is_ready=spec.is_ready
    )
    with pytest.raises(PlatformError, match=r"ghost cannot be started: there is no program /nowhere/ghost"):
        await Supervisor([[ghost]], policy=QUICK).start(deadline=10)


async def test_children_die_with_a_killed_supervisor(tmp_path: Path, eventually: Eventually) -> None:
    program = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.unit.test_supervisor import server_spec
from sightwire.platform.supervisor import Supervisor
async def main():
    folder = pathlib.Path({str(tmp_path)!r})
    supervisor = Supervisor([[server_spec("worker", folder)]])
    await supervisor.start(deadline=10)
    (folder / "pid").write_text(str(supervisor.processes[0].process_id))
    await supervisor.wait_until_failure()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    child = int(await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    parent.kill()
    await parent.wait()
    await eventually(lambda: not is_alive(child))


async def test_logs_are_json_and_errors_are_passed_on(tmp_path: Path, eventually: Eventually) -> None:
    script = (
        "import json,pathlib,sys,threading\n"
        "print(json.dumps({'level': 'ERROR', 'message': 'commit failed', 'service': 'worker'}))\n"
        "print('plain words', flush=True)\n"
        "pathlib.Path(sys.argv[2], 'worker.ready').touch()\n"
        "threading.Event().wait()"
    )
    events: list[ProcessEvent] = []
    spec = server_spec("worker", tmp_path, script)
    async with running([spec], on_event=events.append):
        await eventually(lambda: spec.log_path.exists() and len(spec.log_path.read_text().splitlines()) == 2)
    records = [json.loads(line) for line in spec.log_path.read_text().splitlines()]
    assert [record["message"] for record in records] == ["commit failed", "plain words"]
    assert [event.message for event in events if event.is_log_line] == ["commit failed"]


def test_lines_of_the_nats_server_keep_their_level() -> None:
    line = read_log_line(b"[71] 2026/01/31 12:00:00.000000 [ERR] JetStream out of space\n", "nats")
    assert line.is_error
    assert line.message == "JetStream out of space"
    assert json.loads(line.kept)["service"] == "nats"


def test_log_files_are_bounded(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "worker.log", max_bytes=1000)
    for number in range(100):
        log.append(f"line {number:>40}")
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2200
