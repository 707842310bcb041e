"""`sightwire status`: what runs here, and how it is."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import fail, print_json, print_table
from sightwire.platform.data_directory import DataDirectory
from sightwire.platform.readiness import why_not_ready

if TYPE_CHECKING:
    from sightwire.platform.data_directory import PlatformInfo


def status(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Show the processes of the platform that runs on a data directory. Exits with 1 when any is not ready."""
    info = DataDirectory(data_dir).read_info()
    if info is None:
        if as_json:
            print_json({"running": False, "data_directory": str(data_dir.absolute())})
        else:
            fail(f"no platform runs on {data_dir.absolute()}; start one with: sightwire up --data-dir {data_dir}")
        raise typer.Exit(1)
    processes = asyncio.run(_ask_processes(info))
    if as_json:
        print_json({"running": True, **info.model_dump(mode="json", exclude={"processes"}), "processes": processes})
    else:
        typer.echo(f"platform {info.version} on {info.data_directory}, since {info.started_at}, at {info.gateway_url}")
        columns = ("process", "state", "pid", "restarts", "address", "problem")
        print_table(columns, ([process.get(column) for column in columns] for process in processes))
    if any(process["state"] != "ready" or process["problem"] for process in processes):
        raise typer.Exit(1)


async def _ask_processes(info: "PlatformInfo") -> list[dict[str, Any]]:
    async def problem(url: str | None) -> str | None:
        return await why_not_ready(url) if url is not None else None

    problems = await asyncio.gather(*(problem(process.operations_url) for process in info.processes))
    return [
        {"process": process.name, "problem": found, **process.model_dump(mode="json", exclude={"name"})}
        for process, found in zip(info.processes, problems, strict=True)
    ]
