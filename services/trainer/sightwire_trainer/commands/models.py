"""`sightwire models`: model bundles made, brought in from elsewhere and checked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.options import AsJson
from sightwire.cli.output import notices, print_json, print_table
from sightwire.errors import InvalidInputError

if TYPE_CHECKING:
    from sightwire.bundles import Bundle
    from sightwire_trainer.data.samples import SampleSource
    from sightwire_trainer.export.variants import Variant, VariantReport
    from sightwire_trainer.importing.detector_graph import ImportedDetector
    from sightwire_trainer.importing.model_names import OnnxModel, OpenClipModel

app = typer.Typer(
    help="Make, import and verify model bundles, which the embedder serves.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a model bundle.", file_okay=False)]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds bundles.", file_okay=False)]


@app.command("verify")
def verify(bundle: BundleArgument) -> None:
    """Check that every file of a bundle is the published one, and that its models load and answer."""
    from sightwire.bundles import load_bundle
    from sightwire_trainer.importing.trial import try_models

    opened = load_bundle(bundle)
    try_models(opened)
    size = sum(opened.path(file.path).stat().st_size for file in opened.spec.files)
    typer.echo(
        f"{opened.spec.name} {opened.spec.version} is whole: {len(opened.spec.files)} files, {size / 1e6:.1f} MB; "
        "its models load and answer"
    )


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.", file_okay=False)],
    out: OutOption,
    fp16: Annotated[bool, typer.Option("--fp16", help="Also a variant whose weights take half the room.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Also a variant that computes in 8 bits.")] = False,
    samples: Annotated[
        Path | None,
        typer.Option(help="Tar, or table of captions, that variants are calibrated with and measured by."),
    ] = None,
    torch_program: Annotated[
        bool, typer.Option("--torch-program", help="Add the image tower for `torch.export.load`.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Of the trained weights.")] = "not stated",
    as_json: AsJson = False,
) -> None:
    """Make a bundle of a run's best weights, and smaller variants of it, with what they lose."""
    from sightwire_trainer.configuration import read_configuration
    from sightwire_trainer.export.variants import Variant, make_variant
    from sightwire_trainer.training.folder import RunFolder
    from sightwire_trainer.training.result import export_result, outcome_of_run

    variants = [variant for variant, asked in ((Variant.FP16, fp16), (Variant.INT8, int8)) if asked]
    measured_by = _measured_by(samples, variants)
    configuration = read_configuration(RunFolder(run).configuration)
    folder = export_result(
        configuration,
        outcome_of_run(configuration, run),
        destination=out,
        licence=licence,
        torch_program=torch_program,
    )
    reports = [make_variant(folder, out, variant, measured_by) for variant in variants if measured_by is not None]
    _print_exported(folder, reports, as_json=as_json)


@app.command("average")
def average(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Folders of runs of one configuration.", file_okay=False),
    ],
    out: OutOption,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was fetched from collections.", file_okay=False)
    ] = None,
    torch_program: Annotated[
        bool, typer.Option("--torch-program", help="Add the image tower for `torch.export.load`.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Of the trained weights.")] = "not stated",
    as_json: AsJson = False,
) -> None:
    """Make a bundle of the average of several runs' best weights, and tell how good it and each run are.

    The runs have different seeds and begin with the weights of one run (`begin_with`).
    """
    from sightwire_trainer.commands.bundle_output import averaged_rows
    from sightwire_trainer.training.averaged_runs import average_runs

    averaged = average_runs(runs, out, cache=cache, licence=licence, torch_program=torch_program)
    if as_json:
        of_runs = {str(run.folder): run.measures for run in averaged.runs}
        print_json({"bundle": str(averaged.bundle), "measures": averaged.measures, "runs": of_runs})
        return
    typer.echo(str(averaged.bundle))
    names = [run.folder.name for run in averaged.runs]
    notices.print("\nOn the validation set:")
    print_table(["", "average", *names], averaged_rows(averaged))


@app.command("import")
def import_(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="open_clip:NAME[@PRETRAINED], PRETRAINED a tag of open_clip or a file of weights; or "
            "onnx:image=FILE,text=FILE,tokenizer=FILE,detector=FILE, of which some may be left out.",
        ),
    ],
    out: OutOption,
    name: Annotated[str | None, typer.Option(help="Of the bundle; default: the model's.")] = None,
    version: Annotated[str, typer.Option(help="Of the bundle.")] = "1",
    space: Annotated[str | None, typer.Option(help="Of the vectors; default: name and version.")] = None,
    licence: Annotated[str, typer.Option(help="Of the imported files.")] = "not stated",
    dimension: Annotated[int | None, typer.Option(min=1, help="Of the vectors; default: as the graphs answer.")] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Width and height of pictures; default: the graph's.")
    ] = None,
    resize: Annotated[
        str | None, typer.Option(help="How pictures are fitted: stretch, crop or pad; default: open_clip's, stretch.")
    ] = None,
    interpolation: Annotated[
        str | None, typer.Option(help="bilinear or bicubic; default: open_clip's, bilinear.")
    ] = None,
    mean: Annotated[str | None, typer.Option(help="R,G,B of 0..1 that is taken off; default: open_clip's, 0.")] = None,
    deviation: Annotated[str | None, typer.Option(help="R,G,B that is divided by; default: open_clip's, 1.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=2, help="Where texts are cut, of ONNX files.")] = None,
    detector_size: Annotated[int | None, typer.Option(min=32, help="Longer side of pictures for the detector.")] = None,
    classes: Annotated[
        Path | None, typer.Option(help="File with the detector's classes, a name a line.", dir_okay=False)
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Bundle to take over what is not given: its detector, or its encoders.", file_okay=False),
    ] = None,
) -> None:
    """Make a bundle of a model that others trained: of open_clip, or in ONNX files.

    For example:

    sightwire models import open_clip:MobileCLIP2-S2@dfndr2b --out bundles

    sightwire models import onnx:detector=yolo.onnx --base .models/sightwire-default-2 --name with-yolo --out bundles
    """
    from sightwire.bundles import load_bundle
    from sightwire_trainer.importing.bundle_identity import identity_of
    from sightwire_trainer.importing.model_names import OnnxModel, OpenClipModel, parse_model
    from sightwire_trainer.importing.picture_options import picture_options

    parsed = parse_model(model)
    opened_base = None if base is None else load_bundle(base)
    if isinstance(parsed, OnnxModel) and parsed.files.is_empty and opened_base is not None:
        # Encoders that are taken over give the vectors that they gave before.
        space = space or opened_base.spec.space
    identity = identity_of(model, name=name or parsed.plain_name, version=version, space=space, licence=licence)
    detector = _detector(parsed, opened_base, detector_size, classes)
    options = picture_options(resize=resize, interpolation=interpolation, mean=mean, deviation=deviation)
    if isinstance(parsed, OpenClipModel):
        from sightwire_trainer.importing.open_clip_model import import_open_clip

        folder = import_open_clip(parsed.tower, out, identity, options, size=size, detector=detector)
    else:
        from sightwire_trainer.importing.onnx_model import import_onnx

        folder = import_onnx(
            parsed.files,
            out,
            identity,
            options,
            size=size,
            max_tokens=max_tokens,
            dimension=dimension,
            detector=detector,
            base=opened_base,
        )
    typer.echo(str(folder))


def _measured_by(samples: Path | None, variants: "list[Variant]") -> "SampleSource | None":
    from sightwire_trainer.evaluation.opening import open_set

    if samples is None and variants:
        raise InvalidInputError(f"--{variants[0]} needs --samples, to tell what the variant loses")
    return None if samples is None else open_set(samples)


def _print_exported(folder: Path, reports: "list[VariantReport]", *, as_json: bool) -> None:
    from dataclasses import asdict

    from sightwire_trainer.commands.bundle_output import variant_rows

    if as_json:
        print_json(
            {"bundle": str(folder), "variants": [asdict(report) | {"folder": str(report.folder)} for report in reports]}
        )
        return
    for made in (folder, *(report.folder for report in reports)):
        typer.echo(str(made))
    for report in reports:
        notices.print(f"\n{report.folder.name}, beside the whole bundle:")
        print_table(["", "before", "after"], variant_rows(report))


def _detector(
    model: "OpenClipModel | OnnxModel", base: "Bundle | None", size: int | None, classes: Path | None
) -> "ImportedDetector | Bundle | None":
    """The imported detector, else that of the base, if it has one."""
    from sightwire_trainer.importing.detector_graph import import_detector
    from sightwire_trainer.importing.model_names import OnnxModel

    if isinstance(model, OnnxModel) and model.detector is not None:
        return import_detector(model.detector, size=size, classes=None if classes is None else _lines(classes))
    return base if base is not None and base.spec.detector is not None else None


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InvalidInputError(f"cannot read the names of classes in {path}: {error.strerror}") from error
