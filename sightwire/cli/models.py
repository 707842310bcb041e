"""`sightwire models`: what needs no other distribution; trainer and orchestrator add commands of their own."""

from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.options import AsJson

app = typer.Typer(
    help="Make, import, register, show and verify model bundles, which the embedder serves.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("show")
def show(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a model bundle.", file_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Show what a bundle says of itself: its encoders, files and measured quality. Its files are not read."""
    from sightwire.bundles import load_bundle
    from sightwire.cli.bundle_output import print_bundle

    print_bundle(load_bundle(bundle, verify=False), as_json=as_json)
