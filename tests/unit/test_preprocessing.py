"""Pixels as the graphs want them."""

import numpy as np
import pytest
from PIL import Image, ImageColor

from sightwire.bundles.preprocessing import encoder_batch, encoder_pixels, fitted_pixels, letterbox
from sightwire.bundles.spec import DetectorSpec, ImageEncoderSpec

DETECTOR = DetectorSpec(
    file="detector.onnx",
    size=416,
    size_multiple=32,
    padding=(124, 116, 104),
    score_threshold=0.35,
    iou_threshold=0.5,
    max_detections=100,
)
ENCODER = ImageEncoderSpec(file="image-encoder.onnx", size=128)


@pytest.mark.parametrize(
    ("size", "content", "shape"),
    [
        pytest.param((416, 416), (416, 416), (416, 416, 3), id="fits"),
        pytest.param((832, 624), (416, 312), (320, 416, 3), id="wide"),
        pytest.param((300, 600), (208, 416), (416, 224, 3), id="tall and scaled down"),
        pytest.param((104, 52), (416, 208), (224, 416, 3), id="scaled up"),
        pytest.param((2000, 1), (416, 1), (32, 416, 3), id="a line"),
    ],
)
def test_letterbox(size, content, shape):
    result = letterbox(Image.new("RGB", size, (200, 10, 10)), DETECTOR)
    assert (result.content_width, result.content_height) == content
    assert result.shape == shape
    assert result.pixels.dtype == np.uint8
    width, height = content
    assert (result.pixels[:height, :width] == (200, 10, 10)).all()
    assert (result.pixels[height:] == DETECTOR.padding).all()
    assert (result.pixels[:, width:] == DETECTOR.padding).all()


def test_encoder_pixels_of_a_box():
    picture = Image.new("RGB", (200, 100), "blue")
    picture.paste("red", (50, 20, 150, 80))
    crop = encoder_pixels(picture, ENCODER.size, (50, 20, 150, 80))
    assert crop.shape == (128, 128, 3)
    assert (crop[2:-2, 2:-2] == (255, 0, 0)).all(), "only the outermost pixels blend with what lies beside the box"


@pytest.mark.parametrize(
    ("resize", "box", "colours"),
    [
        pytest.param("stretch", None, ["red", "blue", "lime"], id="the whole picture, out of proportion"),
        pytest.param("crop", None, ["blue", "blue", "blue"], id="the square in the middle"),
        pytest.param("pad", None, ["black", "blue", "black"], id="the whole picture between bars"),
        pytest.param("crop", (0, 0, 100, 60), ["red", "red", "red"], id="the middle of a box"),
        pytest.param("pad", (60, 0, 160, 100), ["red", "blue", "blue"], id="a box without bars"),
    ],
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pictures_are_fitted_as_the_bundle_says(resize, box, colours, interpolation):
    picture = Image.new("RGB", (300, 100), "blue")
    picture.paste("red", (0, 0, 100, 100))
    picture.paste("lime", (200, 0, 300, 100))
    spec = ImageEncoderSpec(file="f.onnx", size=60, resize=resize, interpolation=interpolation)
    pixels = fitted_pixels(picture, spec, box)
    assert pixels.shape == (60, 60, 3)
    # Upright strips show from left to right what is in the picture, but bars lie above and below.
    points = [(5, 30), (30, 30), (55, 30)] if resize != "pad" or box else [(30, 5), (30, 30), (30, 55)]
    assert [tuple(pixels[y, x]) for x, y in points] == [ImageColor.getrgb(colour) for colour in colours]


def test_encoder_batch_is_planar_and_in_0_to_1():
    white, red = Image.new("RGB", (5, 9), "white"), Image.new("RGB", (5, 9), "red")
    batch = encoder_batch([encoder_pixels(white, ENCODER.size), encoder_pixels(red, ENCODER.size)], ENCODER)
    assert batch.shape == (2, 3, 128, 128)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0], 1.0, atol=1e-6)
    np.testing.assert_allclose(batch[1].mean(axis=(1, 2)), [1.0, 0.0, 0.0], atol=1e-6)


def test_encoder_batch_is_normalised_as_the_bundle_says():
    spec = ImageEncoderSpec(file="f.onnx", size=16, mean=(0.5, 0.4, 0.3), deviation=(0.2, 0.3, 0.4))
    grey = np.full((16, 16, 3), 102, np.uint8)
    batch = encoder_batch([grey], spec)
    expected = (np.array([0.4, 0.4, 0.4]) - spec.mean) / spec.deviation
    np.testing.assert_allclose(batch[0].mean(axis=(1, 2)), expected, atol=1e-6)
