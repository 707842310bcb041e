"""Makes the default bundle servable: `python -m models.recipes.default_bundle [--destination .models]`.

`models/default/` holds what is small or cannot be made again; the detector and the text encoder are built here, in two
seconds, from NanoDet's graph and from the installed MiniLM weights. Both come out byte for byte as published: their
sha256 stands in `bundle.yaml`, and a bundle with any other file is not put into place. Prints the bundle's folder.

`--source models/starting` makes the model before, which the default one is compared with.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import onnx
from safetensors.numpy import load_file

from models.recipes import minilm_weights
from models.recipes.detector_graph import build_detector
from models.recipes.text_encoder_graph import build_text_encoder
from sightwire.bundles import BUNDLE_FILE, BundleError, load_bundle
from sightwire.bundles.loading import read_spec

SOURCE_FOLDER = Path(__file__).parents[1] / "default"
DETECTOR_SOURCE = SOURCE_FOLDER / "source" / "nanodet-m-416.onnx"


def build_default_bundle(destination: Path, source: Path = SOURCE_FOLDER) -> Path:
    """The folder `destination/<name>-<version>` with the complete, verified bundle; built only if it is not there.

    Raises `BundleError` when the MiniLM package is missing or a built file is not the published one.
    """
    spec = read_spec(source / BUNDLE_FILE)
    folder = destination / f"{spec.name}-{spec.version}"
    if _is_complete(folder, source):
        return folder
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination, prefix=".building-") as temporary:
        building = Path(temporary) / folder.name
        write_bundle_files(building, source)
        load_bundle(building)
        # Only a complete and verified folder ever has the bundle's name.
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    return folder


def write_bundle_files(folder: Path, source: Path) -> None:
    """Writes every file of the bundle that `source` begins into the new `folder`, unverified."""
    folder.mkdir()
    for path in filter(Path.is_file, source.iterdir()):
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(minilm_weights.tokenizer_path(), folder / "tokenizer.json")
    text_encoder = build_text_encoder(load_file(minilm_weights.weights_path()))
    (folder / "text-encoder.onnx").write_bytes(text_encoder.SerializeToString(deterministic=True))
    detector = build_detector(onnx.load(DETECTOR_SOURCE))
    (folder / "detector.onnx").write_bytes(detector.SerializeToString(deterministic=True))


def _is_complete(folder: Path, source: Path) -> bool:
    published = (source / BUNDLE_FILE).read_bytes()
    built = folder / BUNDLE_FILE
    if not built.is_file() or built.read_bytes() != published:
        return False
    try:
        load_bundle(folder)
    except BundleError:
        return False
    return True


def main() -> int:
    """The command. Answers the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.recipes.default_bundle", description=__doc__)
    parser.add_argument("--destination", type=Path, default=Path(".models"), help="folder that holds bundles")
    parser.add_argument("--source", type=Path, default=SOURCE_FOLDER, help="folder with the files that are not built")
    arguments = parser.parse_args()
    try:
        folder = build_default_bundle(arguments.destination, arguments.source)
    except BundleError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
