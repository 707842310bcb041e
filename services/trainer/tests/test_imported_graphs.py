"""ONNX files of other people: brought to what bundles expect, or refused with reasons."""

import numpy as np
import onnxruntime
import pytest
from sightwire_trainer.importing.detector_graph import import_detector
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.image_graph import import_image_graph
from sightwire_trainer.importing.picture_options import PictureOptions, picture_options
from sightwire_trainer.importing.text_graph import import_text_graph

from services.trainer.tests import small_graphs

CROPPED = picture_options(resize="crop", interpolation="bicubic", mean="0.5,0.5,0.5", deviation=None)
CELLS = 84  # of strides 8, 16 and 32 in 64 x 64


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@pytest.mark.parametrize(
    ("shape", "kind", "size", "max_batch"),
    [
        pytest.param(("batch", 3, 32, 32), small_graphs.FLOAT, None, None, id="any batch"),
        pytest.param((1, 3, 32, 32), small_graphs.FLOAT, 32, 1, id="single pictures"),
        pytest.param(("batch", 3, "h", "w"), small_graphs.FLOAT, 32, None, id="any size"),
        pytest.param(("batch", 3, 32, 32), small_graphs.HALF, None, None, id="float16"),
    ],
)
def test_image_encoders(tmp_path, shape, kind, size, max_batch):
    path = small_graphs.image_encoder(tmp_path / "image.onnx", shape=shape, kind=kind)
    imported = import_image_graph(path, CROPPED, size=size, dimension=5)
    assert (imported.spec.size, imported.spec.max_batch, imported.dimension) == (32, max_batch, 5)
    assert (imported.spec.resize, imported.spec.interpolation) == ("crop", "bicubic")
    assert (imported.spec.mean, imported.spec.deviation) == ((0.5, 0.5, 0.5), (1, 1, 1))
    (vectors,) = run(imported.model, **{imported.spec.input: np.ones((1, 3, 32, 32), np.float32)})
    assert (vectors.shape, vectors.dtype) == ((1, 5), np.float32)


@pytest.mark.parametrize(
    ("graph", "options", "said"),
    [
        pytest.param({"shape": ("batch", 3, "h", "w")}, {}, "say by --size", id="any size"),
        pytest.param({}, {"size": 64}, r"squares of 64, got pixels: float \[\?, 3, 32, 32\]", id="another size"),
        pytest.param({"shape": ("b", 3, 32, 48)}, {}, "expected pictures that are squares", id="no squares"),
        pytest.param({"shape": (8, 3, 32, 32)}, {}, "export it with a dynamic batch", id="batches of eight"),
        pytest.param({}, {"dimension": 512}, r"\[batch, 512\] .* got image_embeds \[1, 5\]", id="another dimension"),
        pytest.param({"opset": 10}, {}, "expected opset 11 or later, got 10", id="an old file"),
    ],
)
def test_image_encoders_that_are_refused(tmp_path, graph, options, said):
    path = small_graphs.image_encoder(tmp_path / "image.onnx", **graph)
    with pytest.raises(ImportRefusedError, match=said):
        import_image_graph(path, PictureOptions(), **({"size": None, "dimension": None} | options))


def test_a_text_encoder_is_no_image_encoder(tmp_path):
    path = small_graphs.text_encoder(tmp_path / "text.onnx")
    with pytest.raises(ImportRefusedError, match=r"expected one input of pictures, .*got input_ids: int64"):
        import_image_graph(path, PictureOptions(), size=None, dimension=None)


@pytest.mark.parametrize(
    ("option", "said"),
    [({"resize": "squash"}, "--resize: Input should be"), ({"mean": "0.5"}, "--mean: .*as in --mean 0.48,0.46,0.41")],
)
def test_picture_options_of_another_form(option, said):
    nothing = {"resize": None, "interpolation": None, "mean": None, "deviation": None}
    with pytest.raises(ImportRefusedError, match=said):
        picture_options(**(nothing | option))


def test_a_file_that_is_no_graph(tmp_path):
    path = tmp_path / "image.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(ImportRefusedError, match=r"cannot read .* as an ONNX file"):
        import_image_graph(path, PictureOptions(), size=None, dimension=None)


@pytest.mark.parametrize(
    ("graph", "read", "expected"),
    [
        pytest.param({}, {"max_tokens": 7}, (7, None, None), id="the tokenizer's limit"),
        pytest.param({}, {"max_tokens": 7, "padded_length": 9}, (7, None, None), id="padding is for the batch"),
        pytest.param({"mask": False}, {"max_tokens": 7, "padded_length": 9}, (7, 9, None), id="no mask, so padded"),
        pytest.param({"shape": ("batch", 6), "mask": False}, {}, (6, 6, None), id="a graph of one length"),
        pytest.param({"shape": (1, 6)}, {}, (6, 6, 1), id="single texts"),
        pytest.param({"kind": small_graphs.INT32}, {"max_tokens": 7}, (7, None, None), id="32 bits"),
        pytest.param({"segments": True}, {"max_tokens": 7}, (7, None, None), id="segments"),
    ],
)
def test_text_encoders(tmp_path, graph, read, expected):
    path = small_graphs.text_encoder(tmp_path / "text.onnx", **graph)
    imported = import_text_graph(
        path, small_graphs.tokenizer(tmp_path / "tokenizer.json", **read), max_tokens=None, dimension=None
    )
    spec = imported.spec
    assert (spec.max_tokens, spec.padded_length, spec.max_batch) == expected
    assert imported.dimension == 5
    ids = np.array([[2, 3, 4] + [0] * ((spec.padded_length or 3) - 3)])
    inputs = {spec.ids_input: ids} | ({spec.mask_input: (ids > 0).astype(np.int64)} if spec.mask_input else {})
    (vectors,) = run(imported.model, **inputs)
    assert (vectors.shape, vectors.dtype) == ((1, 5), np.float32)


@pytest.mark.parametrize(
    ("graph", "options", "said"),
    [
        pytest.param({}, {}, "say by --max-tokens", id="any length"),
        pytest.param({"shape": ("b", 6)}, {"max_tokens": 8}, "it takes 6; lower --max-tokens", id="too long"),
        pytest.param({"pooled": False}, {"max_tokens": 8}, "with a pooled vector", id="a vector a token"),
    ],
)
def test_text_encoders_that_are_refused(tmp_path, graph, options, said):
    path = small_graphs.text_encoder(tmp_path / "text.onnx", **graph)
    tokenizer = small_graphs.tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(ImportRefusedError, match=said):
        import_text_graph(path, tokenizer, **({"max_tokens": None, "dimension": None} | options))


def raw_answer(random):
    """Two classes in 84 cells: centres, sizes, scores."""
    centres, sizes, scores = (
        random.uniform(10, 50, (2, CELLS)),
        random.uniform(2, 8, (2, CELLS)),
        random.random((2, CELLS)),
    )
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2]).T
    return np.concatenate([centres, sizes, scores]).astype(np.float32), boxes, scores.T


@pytest.mark.parametrize("brightness", [255, 51])
@pytest.mark.parametrize("shape", [("batch", 3, 64, 64), ("batch", 3, "h", "w"), (1, 3, 64, 64)])
def test_raw_boxes_and_scores(tmp_path, shape, brightness):
    answer, boxes, scores = raw_answer(np.random.default_rng(0))
    path = small_graphs.detector(tmp_path / "yolo.onnx", answer[np.newaxis], shape=shape)
    imported = import_detector(path, size=64)
    assert imported.classes == ["person", "bicycle"]
    assert (imported.spec.size, imported.spec.size_multiple) == (64, 32 if shape[2] == "h" else 64)
    assert imported.spec.max_batch == (1 if shape[0] == 1 else None)
    pixels = np.full((1, 64, 64, 3), brightness, np.uint8)
    found_boxes, found_scores = run(imported.model, sightwire_pixels=pixels)
    np.testing.assert_allclose(found_boxes[0], boxes * brightness / 255, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found_scores[0], scores * brightness / 255, rtol=1e-4, atol=1e-5)


def test_scores_are_of_the_class_if_there_is_anything(tmp_path):
    answer, boxes, scores = raw_answer(np.random.default_rng(1))
    objectness = np.linspace(0, 1, CELLS, dtype=np.float32)[np.newaxis]
    rows = np.concatenate([answer[:4], objectness, answer[4:]]).T
    imported = import_detector(small_graphs.detector(tmp_path / "yolo.onnx", rows[np.newaxis]))
    found_boxes, found_scores = run(imported.model, sightwire_pixels=np.full((2, 64, 64, 3), 255, np.uint8))
    np.testing.assert_allclose(found_boxes[1], boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found_scores[1], scores * objectness.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False], ids=["[batch, boxes, 6]", "[boxes, 6]"])
def test_chosen_boxes(tmp_path, whole):
    rows = np.array([[1, 2, 30, 40, 0.9, 1], [5, 6, 20, 22, 0.4, 0], [0, 0, 0, 0, 0, 0]], np.float32)
    answer, shape = (rows[np.newaxis], ("batch", 3, 64, 64)) if whole else (rows, (1, 3, 64, 64))
    path = small_graphs.detector(tmp_path / "yolo.onnx", answer, shape=shape, times_brightness=False)
    imported = import_detector(path)
    assert imported.spec.max_batch == (None if whole else 1)
    boxes, scores = run(imported.model, sightwire_pixels=np.zeros((1, 64, 64, 3), np.uint8))
    assert boxes.shape[1] == scores.shape[1] == (3 if whole else 300)
    np.testing.assert_allclose(boxes[0, :3], rows[:, :4])
    np.testing.assert_allclose(scores[0, :3], [[0, 0.9], [0.4, 0], [0, 0]])
    assert not scores[0, 3:].any()


@pytest.mark.parametrize(
    ("answer", "options", "said"),
    [
        pytest.param((1, 80, 90), {}, r"expected one output \[1, 4 \+ classes, cells\]", id="another number of cells"),
        pytest.param((1, 6, CELLS), {"names": None}, "does not tell the names of its classes", id="no names"),
        pytest.param((1, 9, CELLS), {}, "as many classes as there are names, 2; it answers 5", id="other names"),
        pytest.param((1, 6, CELLS), {"shape": ("b", 3, "h", "w")}, "say by --detector-size", id="any size"),
        pytest.param((1, 6, CELLS), {"shape": ("b", 3, 64, 96)}, "expected pictures that are squares", id="no squares"),
    ],
)
def test_detectors_that_are_refused(tmp_path, answer, options, said):
    path = small_graphs.detector(tmp_path / "yolo.onnx", np.ones(answer, np.float32), **options)
    with pytest.raises(ImportRefusedError, match=said):
        import_detector(path)
