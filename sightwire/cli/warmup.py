"""`sightwire warmup`: sends queries after a deployment, so that the first users do not wait for cold caches."""

import statistics
import time
from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.options import DEFAULT_COLLECTION, ApiKey, AsJson, CollectionOption, Url
from sightwire.cli.output import print_json, print_members, warn
from sightwire.client import ApiError, Sightwire
from sightwire.client.connection import DEFAULT_URL


def warmup(
    queries: Annotated[Path, typer.Argument(help="File with a query in each line; - for standard input.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many to find.")] = 10,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Send text queries one after the other, and tell how long they took. Exits with 1 when one was refused."""
    texts = read_queries(queries)
    milliseconds: list[float] = []
    with Sightwire(url, api_key=api_key) as sightwire:
        for text in texts:
            started = time.perf_counter()
            try:
                sightwire.search(collection, text=text, k=k)
            except ApiError as error:
                warn(f"{text!r}: {error}")
                continue
            milliseconds.append((time.perf_counter() - started) * 1000)
    report = {
        "sent": len(texts),
        "refused": len(texts) - len(milliseconds),
        "median_ms": round(statistics.median(milliseconds), 1) if milliseconds else None,
        "slowest_ms": round(max(milliseconds), 1) if milliseconds else None,
    }
    if as_json:
        print_json(report)
    else:
        print_members(report)
    if report["refused"]:
        raise typer.Exit(1)


def read_queries(path: Path) -> list[str]:
    """The lines of a file that are not blank; of standard input for `-`."""
    if str(path) == "-":
        lines = typer.get_text_stream("stdin").read().splitlines()
    elif path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
    else:
        raise typer.BadParameter(f"expected a file with a query in each line, got {str(path)!r}", param_hint="QUERIES")
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise typer.BadParameter(f"expected at least one query, got none in {str(path)!r}", param_hint="QUERIES")
    return texts
