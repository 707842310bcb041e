"""A bundle's encoders for a program that has all its inputs at hand: lists in, a matrix out."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightwire.bundles.encoders import ImageEncoder, TextEncoder, Vector
from sightwire.bundles.inference import GraphLoader, OnnxRuntimeLoader
from sightwire.bundles.loading import Bundle, BundleError, load_bundle
from sightwire.bundles.pictures import PictureLimits, decode_picture
from sightwire.bundles.preprocessing import Pixels, fitted_pixels
from sightwire.bundles.spec import TextEncoderSpec
from sightwire.bundles.tokenization import TextTokenizer

Matrix = NDArray[np.float32]
Input = TypeVar("Input")


class BundleEncoder:
    """Encodes what the embedder would encode, the same way, without its scheduling of other people's requests."""

    def __init__(self, bundle: Bundle, *, batch_size: int = 32, loader: GraphLoader | None = None) -> None:
        """Loads the encoders that the bundle has; without a `loader`, for calls that use all cores.

        Raises `BundleError` when a file of it cannot be loaded.
        """
        self._bundle = bundle
        self._batch_size = batch_size
        spec = bundle.spec
        loader = loader or OnnxRuntimeLoader(threads_per_call=os.cpu_count() or 1)
        normalise = spec.metric == "cosine"
        self._images: ImageEncoder | None = None
        self._texts = self._text_encoder(spec.text_encoder, loader)
        self._documents = self._text_encoder(spec.document_encoder, loader) or self._texts
        if spec.image_encoder is not None:
            graph = loader.load(bundle.path(spec.image_encoder.file), [spec.image_encoder.output])
            self._images = ImageEncoder(graph, spec.image_encoder, normalise=normalise)

    @classmethod
    def open(cls, folder: Path, *, batch_size: int = 32) -> "BundleEncoder":
        """The encoders of the bundle in `folder`. Raises `BundleError` when it is not whole."""
        return cls(load_bundle(folder), batch_size=batch_size)

    @property
    def name(self) -> str:
        """Name and version of the bundle."""
        return f"{self._bundle.spec.name}-{self._bundle.spec.version}"

    @property
    def dimension(self) -> int:
        return self._bundle.spec.dimension

    def encode_files(self, files: Sequence[bytes]) -> Matrix:
        """Picture files (JPEG, PNG …) to float32 [files, dimension].

        Raises `InvalidPictureError` for bytes that are no picture.
        """
        return self._encode_images(files, self._decode)

    def encode_images(self, images: Sequence[Pixels]) -> Matrix:
        """Upright RGB pixels, uint8 [height, width, 3] of any sizes, to float32 [images, dimension]."""
        return self._encode_images(images, Image.fromarray)

    def encode_texts(self, texts: Sequence[str]) -> Matrix:
        """Texts that search to float32 [texts, dimension]."""
        return self._encode_texts(self._texts, texts)

    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        """Texts to be found to float32 [texts, dimension]; most bundles encode them as those that search."""
        return self._encode_texts(self._documents, texts)

    def _text_encoder(
        self, spec: TextEncoderSpec | None, loader: GraphLoader
    ) -> tuple[TextTokenizer, TextEncoder] | None:
        if spec is None:
            return None
        graph = loader.load(self._bundle.path(spec.file), [spec.output])
        tokenizer = TextTokenizer(self._bundle.path(spec.tokenizer), spec.max_tokens)
        return tokenizer, TextEncoder(graph, spec, normalise=self._bundle.spec.metric == "cosine")

    def _encode_texts(self, loaded: tuple[TextTokenizer, TextEncoder] | None, texts: Sequence[str]) -> Matrix:
        if loaded is None:
            raise BundleError(f"{self.name} has no text encoder")
        tokenizer, encoder = loaded
        token_ids = tokenizer.tokenize(texts)
        # Texts of similar length together: a batch costs as much as its longest.
        order = sorted(range(len(texts)), key=lambda number: len(token_ids[number]))
        vectors = np.empty((len(texts), self.dimension), np.float32)
        vectors[order] = self._in_batches([token_ids[number] for number in order], encoder.embed)
        return vectors

    def _encode_images(self, images: Sequence[Input], opened: Callable[[Input], Image.Image]) -> Matrix:
        if self._images is None:
            raise BundleError(f"{self.name} has no image encoder")
        encoder = self._images
        return self._in_batches(
            images, lambda batch: encoder.embed([fitted_pixels(opened(image), encoder.spec) for image in batch])
        )

    def _decode(self, data: bytes) -> Image.Image:
        return decode_picture(data, PictureLimits(), self._bundle.spec.background).pixels

    def _in_batches(
        self, inputs: Sequence[Input], embed: Callable[[Sequence[Input]], list[Vector | Exception]]
    ) -> Matrix:
        vectors = np.empty((len(inputs), self.dimension), np.float32)
        for start in range(0, len(inputs), self._batch_size):
            for row, vector in enumerate(embed(inputs[start : start + self._batch_size]), start):
                if isinstance(vector, Exception):
                    raise vector
                vectors[row] = vector
        return vectors
