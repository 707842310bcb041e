"""An image encoder of other people as that of a bundle."""

from pathlib import Path

import numpy as np
from onnx import TensorProto

from sightwire.bundles.spec import ImageEncoderSpec
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.foreign_graph import ForeignGraph, largest_batch, vector_output
from sightwire_trainer.importing.imported_encoder import ImportedEncoder
from sightwire_trainer.importing.picture_input import picture_input, picture_side
from sightwire_trainer.importing.picture_options import PictureOptions


def import_image_graph(
    path: Path, options: PictureOptions, *, size: int | None, dimension: int | None
) -> ImportedEncoder[ImageEncoderSpec]:
    """The encoder in an ONNX file; `options` say how pictures are fitted and normalised for it.

    Without `size` it is that of the graph's input. float16 is taken and answered as float32.

    Raises:
        ImportRefusedError: the graph does not turn pictures [batch, 3, size, size] into one vector each.
    """
    graph = ForeignGraph(path)
    given = picture_input(graph)
    side = picture_side(path, given, size)
    if side is None:
        raise ImportRefusedError(f"{path} takes pictures of any size: say by --size which one it was trained with")
    max_batch = largest_batch(path, given)
    name = graph.take_as(TensorProto.FLOAT, given)
    answers = graph.run({name: np.full((1, 3, side, side), 0.5, np.float32)})
    output, found = vector_output(path, answers, dimension)
    output = graph.answer_as_float(output, ["batch", found])
    spec = ImageEncoderSpec(file="image-encoder.onnx", size=side, input=name, output=output, max_batch=max_batch)
    return ImportedEncoder(graph.model, options.over(spec), found)
