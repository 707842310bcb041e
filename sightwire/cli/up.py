"""`sightwire up`: the whole platform on this machine, until Ctrl-C."""

import asyncio
import os
import shlex
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sightwire import __version__
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import fail, notices, print_json_line, warn
from sightwire.errors import SightwireError

if TYPE_CHECKING:
    from sightwire.platform.running_platform import PlatformOptions, RunningPlatform
    from sightwire.platform.supervised_process import ProcessEvent

#: A second Ctrl-C within this time is taken for the first: make and terminals send it more than once.
_SAME_REQUEST_SECONDS = 1.0
_EXIT_INTERRUPTED = 130


def up(
    data_dir: DataDir = Path("data"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the gateway.")] = 8200,
    host: Annotated[
        str, typer.Option(help="Address of the gateway; others than loopback need SIGHTWIRE_GATEWAY_ADMIN_KEY.")
    ] = "127.0.0.1",
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model bundle.", exists=True, file_okay=False)
    ] = None,
    searchers: Annotated[
        int, typer.Option(min=1, max=64, help="Searchers that answer queries in turns, a core for each.")
    ] = 1,
    nats_servers: Annotated[
        int, typer.Option(min=1, max=7, help="Servers of the bus: 1, or 3 and more that form a cluster.")
    ] = 1,
    blobs: Annotated[
        str | None,
        typer.Option(
            help="Blob store: a folder, s3://bucket/prefix, or s3 for an S3 server of the platform's own.",
            show_default="SIGHTWIRE_BLOBS_URL, else a folder of the data directory",
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Load the demo collection once.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start the whole platform on this machine: NATS server, gateway, embedder, indexer, searcher, orchestrator."""
    try:
        from sightwire.platform.running_platform import PlatformOptions
    except ImportError as error:
        fail(f"running a platform needs more than the client: install sightwire[service,platform] ({error})")
        raise typer.Exit(1) from None
    options = PlatformOptions(
        data_directory=data_dir,
        host=host,
        port=port,
        bundle=bundle,
        searchers=searchers,
        nats_servers=nats_servers,
        blobs=blobs,
    )
    raise typer.Exit(asyncio.run(_run_until_asked(_UpCommand(options, with_demo=demo, as_json=as_json))))


class _UpCommand:
    def __init__(self, options: "PlatformOptions", *, with_demo: bool, as_json: bool) -> None:
        self._options = options
        self._with_demo = with_demo
        self._as_json = as_json
        self._is_up = False
        self.is_stopping = False

    async def run(self) -> int:
        """Run the platform until it is cancelled or fails for good; the exit status."""
        from sightwire.platform.running_platform import run_platform

        started_at = time.monotonic()
        exit_status = 0
        if not self._as_json:
            notices.print(f"[bold]Sightwire {__version__}[/], data in {self._options.data_directory.absolute()}")
        try:
            async with run_platform(self._options, on_event=self._show_event) as platform:
                self._is_up = True
                self._show_addresses(platform, time.monotonic() - started_at)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(platform.wait_until_failure())
                    tasks.create_task(self._offer_demo(platform))
        except* SightwireError as group:
            for error in _leaves(group):
                fail(str(error))
            exit_status = 1
        return exit_status

    async def _offer_demo(self, platform: "RunningPlatform") -> None:
        if self._with_demo:
            await self._load_demo_once(platform)
        if not self._as_json:
            _show_what_to_try(platform.gateway_url, with_demo=self._with_demo)

    async def _load_demo_once(self, platform: "RunningPlatform") -> None:
        from sightwire.platform.demo_collection import DemoMarker, load_demo
        from sightwire.platform.local_platform import ADMIN_KEY_VARIABLE

        marker = DemoMarker(platform.data.path)
        if marker.is_set:
            return
        with Progress(
            TextColumn("loading the demo collection"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=notices,
            disable=self._as_json,
        ) as progress:
            task = progress.add_task("demo", total=None)
            problems = await load_demo(
                platform.gateway_url,
                lambda done, total: progress.update(task, completed=done, total=total),
                api_key=os.environ.get(ADMIN_KEY_VARIABLE),
            )
        if problems:
            warn(f"{len(problems)} of the demo's pictures could not be loaded, the first: {problems[0]}")
            return
        marker.set()

    def _show_addresses(self, platform: "RunningPlatform", seconds: float) -> None:
        if self._as_json:
            print_json_line({"event": "ready", "seconds": round(seconds, 2), **platform.info().model_dump(mode="json")})
            return
        url = platform.gateway_url
        notices.print(f"[bold green]ready[/] in {seconds:.1f} s")
        notices.print(f"  API     {url}/v1  (described at {url}/docs)", soft_wrap=True)
        notices.print(f"  health  {url}/health", soft_wrap=True)
        notices.print(
            f"  NATS    {platform.nats.url}  (credentials in {platform.data.path}/nats/access.json)", soft_wrap=True
        )
        notices.print(f"  logs    {platform.data.logs}/*.log", soft_wrap=True)

    def _show_event(self, event: "ProcessEvent") -> None:
        if self._as_json:
            print_json_line({"event": "log" if event.is_log_line else "process", **vars(event)})
            return
        failed = event.is_log_line or event.state in {"restarting", "failed"}
        if failed and not self.is_stopping:
            notices.print(f"  [red]{event.name:<12}[/]", event.message.replace("[", r"\["), soft_wrap=True)
        elif event.state == "ready" or self.is_stopping:
            notices.print(f"  [dim]{event.name:<12} {event.message}[/]".replace("\n", " "))


async def _run_until_asked(command: _UpCommand) -> int:
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(command.run())
    asked_at: float | None = None

    def ask_to_stop() -> None:
        nonlocal asked_at
        now = time.monotonic()
        if asked_at is None:
            asked_at = now
            command.is_stopping = True
            notices.print("\nstopping: the gateway first, the bus last (Ctrl-C again kills everything)")
            running.cancel()
        elif now - asked_at > _SAME_REQUEST_SECONDS:
            # The system kills the children with this process.
            os._exit(_EXIT_INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask_to_stop)
    with suppress(asyncio.CancelledError):
        return await running
    notices.print("stopped")
    return 0


def commands_to_try(url: str, *, with_demo: bool) -> list[str]:
    """Three commands for a shell: searches of the demo, or the first steps without it."""

    def post(path: str, body: str) -> str:
        return f"curl -s {shlex.quote(url + path)} -H 'content-type: application/json' -d {shlex.quote(body)}"

    if with_demo:
        return [
            post("/v1/collections/demo/search", '{"query": {"text": "sailing boat at sunset"}, "k": 3}'),
            post("/v1/collections/demo/search", '{"query": {"item": "tiger-walking"}, "k": 3}'),
            f"curl -s '{url}/search/text?q=light+bulb&k=3&collection=demo'",
        ]
    return [
        post("/v1/collections", '{"name": "notes"}'),
        post("/v1/collections/notes/items?wait=searchable", '{"id": "first", "text": "a boat at sunset"}'),
        post("/v1/collections/notes/search", '{"query": {"text": "sailing in the evening"}}'),
    ]


def _show_what_to_try(url: str, *, with_demo: bool) -> None:
    notices.print("try:")
    for command in commands_to_try(url, with_demo=with_demo):
        notices.print(f"  {command}", markup=False, soft_wrap=True)
    notices.print("Ctrl-C stops everything.")


def _leaves(group: BaseExceptionGroup[SightwireError]) -> list[SightwireError]:
    leaves: list[SightwireError] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves
