"""`sightwire config`: check a settings file, and have the services read it again."""

import asyncio
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import httpx
import typer

from sightwire.cli.options import ApiKey, AsJson, DataDir
from sightwire.cli.output import escaped, print_json, print_table
from sightwire.errors import ConfigurationError

if TYPE_CHECKING:
    from sightwire.platform.data_directory import ProcessInfo
    from sightwire.settings import SharedSettings

app = typer.Typer(
    help="Check a settings file, and have the services of this machine read theirs again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Service = Literal["gateway", "embedder", "indexer", "searcher", "orchestrator"]
_SERVICES: Final[tuple[Service, ...]] = get_args(Service)
_ANSWER_SECONDS = 10.0


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="YAML file with settings.", exists=True, dir_okay=False)],
    service: Annotated[Service | None, typer.Option(help="Check it for this service alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Name everything that is wrong with a settings file, for each service that is installed here.

    Exits with 1 when a service would refuse it.
    """
    from sightwire.settings import problems_of_file, read_settings_file

    values = read_settings_file(file)
    classes = _settings_classes()
    known = {name for settings_class in classes.values() for name in settings_class.model_fields}
    if service is not None:
        classes = {name: settings_class for name, settings_class in classes.items() if name == service}
        if not classes:
            raise ConfigurationError(f"the {service} is not installed here: check the file where it is")
    problems: list[dict[str, str | None]] = [
        {"service": name, "setting": problem.name, "problem": problem.text}
        for name, settings_class in classes.items()
        for problem in problems_of_file(settings_class, values)
    ]
    problems += [
        {"service": None, "setting": name, "problem": "no service that is installed here knows it"}
        for name in values
        if name not in known
    ]
    if as_json:
        print_json({"checked_for": list(classes), "problems": problems})
    elif problems:
        print_table(
            ("service", "setting", "problem"),
            ([escaped(cell or "") for cell in problem.values()] for problem in problems),
        )
    else:
        typer.echo(f"{file} is good for {', '.join(classes)}")
    if problems:
        raise typer.Exit(1)


@app.command("reload")
def reload(data_dir: DataDir = Path("data"), api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Have every service of the platform that runs here read its settings file again.

    A file with a mistake changes nothing. Exits with 1 when a service refuses it.
    """
    from sightwire.platform.data_directory import DataDirectory

    info = DataDirectory(data_dir).read_info()
    if info is None:
        raise ConfigurationError(
            f"no platform runs on {data_dir.absolute()}; elsewhere send SIGHUP to each service, or POST /-/reload"
        )
    services = [process for process in info.processes if process.name in _SERVICES]
    outcomes = asyncio.run(_reload_all(services, api_key))
    if as_json:
        print_json(outcomes)
    else:
        print_table(("service", "applied", "needs a restart", "problem"), map(_outcome_row, outcomes))
    if any(outcome["problem"] for outcome in outcomes):
        raise typer.Exit(1)


def _settings_classes() -> "dict[str, type[SharedSettings]]":
    """Settings of each service that is installed here; they are apart from this package, so found by name."""
    return {
        service: getattr(import_module(f"sightwire_{service}.settings"), f"{service.capitalize()}Settings")
        for service in _SERVICES
        if find_spec(f"sightwire_{service}") is not None
    }


async def _reload_all(processes: "list[ProcessInfo]", api_key: str | None) -> list[dict[str, Any]]:
    # trust_env off: a proxy for the internet must not be asked about this machine's own processes.
    async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_SECONDS) as client:
        return list(await asyncio.gather(*(_reload(client, process, api_key) for process in processes)))


async def _reload(client: httpx.AsyncClient, process: "ProcessInfo", api_key: str | None) -> dict[str, Any]:
    outcome: dict[str, Any] = {"service": process.name, "applied": [], "needs_restart": [], "problem": None}
    # Of the services only the gateway knows keys.
    headers = {"authorization": f"Bearer {api_key}"} if process.name == "gateway" and api_key is not None else {}
    try:
        response = await client.post(f"{process.operations_url}/-/reload", headers=headers)
        document = response.json()
    except (httpx.HTTPError, ValueError) as error:
        return {**outcome, "problem": f"it did not answer: {type(error).__name__}: {error}"}
    if response.is_error:
        return {**outcome, "problem": document.get("detail") or f"HTTP {response.status_code}"}
    return {**outcome, "applied": document["applied"], "needs_restart": document["needs_restart"]}


def _outcome_row(outcome: dict[str, Any]) -> tuple[Any, ...]:
    def changes(kind: str) -> str:
        return ", ".join(f"{change['name']}: {change['before']} → {change['after']}" for change in outcome[kind])

    return outcome["service"], changes("applied"), changes("needs_restart"), escaped(outcome["problem"] or "")
