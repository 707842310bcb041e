"""`sightwire models triton`: a bundle as models of Triton servers."""

from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.options import AsJson
from sightwire.cli.output import notices, print_json
from sightwire_embedder.triton.options import ServingOptions, TritonBackend

app = typer.Typer(help="Make model repositories of bundles.", no_args_is_help=True, rich_markup_mode=None)


@app.command("triton")
def triton(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a model bundle.", file_okay=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Model repository, which may have other models, too.", file_okay=False),
    ],
    backend: Annotated[
        TritonBackend,
        typer.Option(
            help="What runs the models: Triton's own ONNX Runtime, TensorRT engines built where the GPU is, or "
            "ONNX Runtime in the Python backend, for servers on CPUs that have nothing else."
        ),
    ] = TritonBackend.ONNXRUNTIME,
    instances: Annotated[int, typer.Option(min=1, max=64, help="Copies of each model side by side, on each GPU.")] = 1,
    max_queue_delay: Annotated[
        int,
        typer.Option(
            "--max-queue-delay", metavar="MICROSECONDS", min=0, help="How long a call waits for others in its batch."
        ),
    ] = 0,
    preferred_batches: Annotated[
        list[int] | None,
        typer.Option("--preferred-batch", min=1, metavar="SIZE", help="A batch that does not wait; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the model repository of a bundle: its graphs, and the ensemble from a picture file to its vectors."""
    from sightwire.bundles import load_bundle
    from sightwire_embedder.triton.repository import BUILD_SCRIPT, write_repository

    written = write_repository(
        load_bundle(bundle),
        out,
        ServingOptions(backend, instances, max_queue_delay, tuple(sorted(set(preferred_batches or ())))),
    )
    if as_json:
        print_json({"models": written.models, "no_ensemble": written.no_ensemble})
        return
    for model in written.models:
        typer.echo(out / model)
    if written.no_ensemble is not None:
        notices.print(f"there is no ensemble: {written.no_ensemble}")
    if backend is TritonBackend.TENSORRT:
        notices.print(f"run {out / BUILD_SCRIPT} on the machine with the GPU before Triton starts", soft_wrap=True)
