"""The commands against the running platform."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import pytest

from sightwire.platform.running_platform import RunningPlatform
from tests.plugin.command_line import COMMAND, CommandLine
from tests.plugin.processes import run_to_end
from tests.plugin.waiting import Eventually

DEMO = Path(__file__).parents[2] / "sightwire" / "platform" / "demo" / "pictures"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("red-car", "rocket-with-flames", "acoustic-guitar"):
        shutil.copy(DEMO / f"{name}.webp", folder)
    return folder


async def test_collections_from_creation_to_deletion(sightwire: CommandLine, unique_name: Callable[..., str]) -> None:
    name = unique_name("shop")
    created = await sightwire.json("collections", "create", name, "--metadata", "price=float")
    assert created["metadata"] == {"price": {"type": "float", "required": False}}
    assert name in {entry["name"] for entry in await sightwire.json("collections", "list")}
    assert (await sightwire.json("collections", "show", name))["items"] == 0
    assert "error:" in await sightwire("collections", "create", name, fails=True)
    await sightwire("collections", "delete", name, "--yes")
    assert "error:" in await sightwire("collections", "show", name, fails=True)


async def test_folder_is_ingested_once_and_goes_on_where_it_stopped(
    sightwire: CommandLine, pictures: Path, unique_name: Callable[..., str]
) -> None:
    name = unique_name("folder")
    (pictures / "broken.jpg").write_bytes(b"not a picture")
    report = await sightwire.json("ingest", pictures, "-c", name, "--create", "--wait", "--tag", "demo", fails=True)
    assert (report["accepted"], report["skipped"]) == (3, 0)
    assert report["failed"][0]["origin"].endswith("broken.jpg")

    (pictures / "broken.jpg").unlink()
    shutil.copy(DEMO / "garlic-bulb-and-cloves.webp", pictures)
    again = await sightwire.json("ingest", pictures, "-c", name, "--wait", "--tag", "demo")
    assert again == {"accepted": 1, "skipped": 3, "failed": []}

    found = await sightwire.json("search", "-c", name, "--image", pictures / "red-car.webp", "-k", 1)
    assert found["hits"][0]["id"] == "red-car.webp"
    found = await sightwire.json(
        "search", "-c", name, "--item", "acoustic-guitar.webp", "--filter", '{"tags_any": ["demo"]}'
    )
    assert len(found["hits"]) >= 3


async def test_table_is_ingested_with_its_columns(
    sightwire: CommandLine, pictures: Path, unique_name: Callable[..., str]
) -> None:
    name = unique_name("table")
    table = pictures / "wares.csv"
    table.write_text("id,text,image,price\ncar,a small car,red-car.webp,12\nword,only words,,3\n")
    report = await sightwire.json("ingest", table, "-c", name, "--create", "--wait")
    assert report == {"accepted": 2, "skipped": 0, "failed": []}
    document = await sightwire.json("items", "get", name, "car")
    assert document["metadata"] == {"price": "12"}
    assert document["image"]["filename"] == "red-car.webp"
    found = await sightwire("search", "just a word", "-c", name)
    assert "word" in found


async def test_items_from_put_to_delete(sightwire: CommandLine, unique_name: Callable[..., str]) -> None:
    name = unique_name("items")
    await sightwire("collections", "create", name)
    put = await sightwire.json("items", "put", name, "--id", "a/b c", "--text", "a slash in the id", "--wait")
    assert put["state"] == "searchable"
    assert (await sightwire.json("items", "get", name, "a/b c"))["text"] == "a slash in the id"
    assert (await sightwire.json("items", "status", name, "a/b c"))["state"] == "searchable"
    assert [item["id"] for item in (await sightwire.json("items", "list", name))["items"]] == ["a/b c"]
    watched = await sightwire("items", "watch", name, "a/b c")
    assert "searchable" in watched
    await sightwire("items", "delete", name, "a/b c", "--wait")
    assert "error:" in await sightwire("items", "get", name, "a/b c", fails=True)


async def test_dead_letters_are_listed_shown_replayed_and_purged(
    sightwire: CommandLine, platform: RunningPlatform, unique_name: Callable[..., str], eventually: Eventually
) -> None:
    name = unique_name("dlq")
    await sightwire("collections", "create", name)
    connection = await nats.connect(platform.nats.url_with_credentials)
    await connection.jetstream().publish(f"ingest.{name}", b"{not json")
    await connection.close()

    async def buried() -> list[dict[str, Any]]:
        letters = await sightwire.json("dlq", "list")
        return [letter for letter in letters if letter["subject"] == f"ingest.{name}"]

    (letter,) = await eventually(buried, deadline=20)
    assert letter["reason"]
    shown = await sightwire.json("dlq", "show", letter["sequence"])
    assert shown["payload"] == "{not json"

    assert (await sightwire.json("dlq", "replay", letter["sequence"]))["replayed"] == [letter["sequence"]]
    # It is as broken as before, and comes back under another sequence.
    (again,) = await eventually(buried, deadline=20)
    assert again["sequence"] != letter["sequence"]
    await sightwire("dlq", "purge", again["sequence"], "--yes")
    assert await buried() == []
    assert "no dead letter" in await sightwire("dlq", "show", again["sequence"], fails=True)


async def test_unknown_collection_is_one_line(sightwire: CommandLine) -> None:
    printed = await sightwire("search", "anything", "-c", "no-such-collection", fails=True)
    assert printed.startswith("error:")
    assert "no-such-collection" in printed
    assert "Traceback" not in printed


async def test_services_are_asked_to_read_their_settings_again(sightwire: CommandLine) -> None:
    outcomes = await sightwire.json("config", "reload", fails=True)
    problems = {outcome["service"]: outcome["problem"] for outcome in outcomes}
    assert set(problems) == {"gateway", "embedder", "indexer", "searcher", "orchestrator"}
    assert all("no file to read again" in problem for problem in problems.values()), "this platform has none"


async def test_platform_that_does_not_answer_is_one_line() -> None:
    exit_status, printed = await run_to_end(*COMMAND, "collections", "list", "--url", "http://127.0.0.1:9")
    assert exit_status == 1
    assert "no Sightwire platform answers at http://127.0.0.1:9" in printed


async def test_examples_run(platform: RunningPlatform, pictures: Path) -> None:
    examples = Path(__file__).parents[2] / "examples"
    url = ("--url", platform.gateway_url)
    for name, arguments in {
        "publish_with_nats.py": ("--data-dir", str(platform.data.path), *url),
        "search_with_client.py": url,
        "ingest_folder.py": (str(pictures), *url),
    }.items():
        exit_status, printed = await run_to_end(sys.executable, str(examples / name), *arguments)
        assert exit_status == 0, printed
        assert "searchable" in printed


async def test_warmup_sends_each_query_and_says_which_were_refused(
    sightwire: CommandLine, tmp_path: Path, unique_name: Callable[..., str]
) -> None:
    name = unique_name("warm")
    await sightwire("collections", "create", name)
    queries = tmp_path / "queries.txt"
    queries.write_text("a red car\n\n  a rocket  \n", encoding="utf-8")
    report = await sightwire.json("warmup", queries, "-c", name)
    assert (report["sent"], report["refused"]) == (2, 0)
    assert 0 < report["median_ms"] <= report["slowest_ms"]
    queries.write_text("a red car\n" + 20_000 * "x", encoding="utf-8")
    assert '"refused": 1' in await sightwire("warmup", queries, "-c", name, "--json", fails=True)
