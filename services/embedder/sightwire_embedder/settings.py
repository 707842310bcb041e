"""Settings of the embedder: `SIGHTWIRE_EMBEDDER_*` and `SIGHTWIRE_MODEL_BUNDLE`, next to the shared `SIGHTWIRE_*`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

import sightwire
from sightwire.settings import Port, SharedSettings

_MEBIBYTE = 1024 * 1024
_DEFAULT_BUNDLE = Path(".models/sightwire-default-2")


def default_bundle_folder() -> Path:
    """Where `make` builds the default bundle: in the working directory, or in the repository that this runs from."""
    if _DEFAULT_BUNDLE.is_dir():
        return _DEFAULT_BUNDLE
    return Path(sightwire.__file__).parents[1] / _DEFAULT_BUNDLE


class EmbedderSettings(SharedSettings):
    """Which bundle is served and how much is done at once."""

    model_bundle: Path = Field(
        default_factory=default_bundle_folder,
        description="Folder of the bundle; default: the one that make built",
    )
    embedder_id: str | None = Field(
        default=None, description="Name in the registry of embedders; none: host name and a random part"
    )
    embedder_advertised_address: str | None = Field(
        default=None, description="Address by which others reach the embedder; none: the one that it binds to"
    )
    embedder_port: Port = Field(default=8201, description="gRPC port; 0 for any free one")
    embedder_cache_dir: Path = Field(
        default=Path("data/embedder"), description="Folder for measured batch latencies and fetched models"
    )
    embedder_max_load_seconds: PositiveFloat = Field(
        default=300.0, description="How long a start waits for models that are wanted besides its bundle"
    )
    embedder_backend: Literal["onnxruntime", "triton"] = Field(
        default="onnxruntime", description="What runs the models: this process, or a Triton server"
    )
    triton_url: str = Field(
        default="127.0.0.1:8001", description="Host and port of the Triton server's gRPC endpoint, where it is used"
    )
    triton_call_seconds: PositiveFloat = Field(
        default=10.0, description="A model call on the Triton server that takes longer fails, and is made again later"
    )
    embedder_workers: NonNegativeInt = Field(
        default=0, description="Model calls at once; 0 for as many as the cores allow, on a Triton server twice as many"
    )
    embedder_threads_per_call: PositiveInt = Field(default=1, description="Cores that one model call uses")
    embedder_max_call_seconds: PositiveFloat = Field(
        default=0.1, description="No batch is planned that keeps a core for longer"
    )
    embedder_max_queued: PositiveInt = Field(
        default=1024, description="Requests that may wait for each model; more queries are refused as overload"
    )
    embedder_max_in_flight: PositiveInt = Field(default=128, description="Ingest events that are worked on at once")
    embedder_max_pictures_in_flight: PositiveInt = Field(
        default=16, description="Ingest events with a picture in memory at once"
    )
    embedder_max_deliveries: PositiveInt = Field(
        default=12, description="Tries of an ingest event, the last some minutes after the first"
    )
    embedder_max_picture_bytes: PositiveInt = Field(default=32 * _MEBIBYTE, description="Largest picture file")
    embedder_max_picture_pixels: PositiveInt = Field(
        default=90_000_000, description="Largest picture, width times height, checked before decoding"
    )
