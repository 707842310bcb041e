"""The text encoder that the recipe builds computes what BERT computes; here written once more, plainly, in numpy."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file

from models.recipes import minilm_weights
from sightwire.bundles.tokenization import TextTokenizer, pad_batch

TEXTS = ["a red apple", "the quick brown fox jumps over the lazy dog", "x", "snow " * 300]


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return load_file(minilm_weights.weights_path())


@pytest.fixture(scope="module")
def session(bundle_folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(bundle_folder / "text-encoder.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def tokenizer(bundle_folder: Path) -> TextTokenizer:
    return TextTokenizer(bundle_folder / "tokenizer.json", 256)


def layer_norm(values, weights, name):
    mean = values.mean(-1, keepdims=True)
    variance = values.var(-1, keepdims=True)
    return (values - mean) / np.sqrt(variance + 1e-12) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(values, weights, name):
    return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def gelu(values):
    erf = np.frompyfunc(__import__("math").erf, 1, 1)
    return values * 0.5 * (1.0 + erf(values / np.sqrt(2.0)).astype(np.float64))


def reference_embedding(token_ids, weights):
    """One text, no batch, no padding, no mask, in float64."""
    hidden = (
        weights["embeddings.word_embeddings.weight"][token_ids].astype(np.float64)
        + weights["embeddings.position_embeddings.weight"][: len(token_ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    hidden = layer_norm(hidden, weights, "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(hidden, weights, f"{name}.attention.self.{part}").reshape(-1, 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(32)
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        mixed = (attention @ value).transpose(1, 0, 2).reshape(-1, 384)
        projected = linear(mixed, weights, f"{name}.attention.output.dense")
        hidden = layer_norm(projected + hidden, weights, f"{name}.attention.output.LayerNorm")
        widened = gelu(linear(hidden, weights, f"{name}.intermediate.dense"))
        hidden = layer_norm(
            linear(widened, weights, f"{name}.output.dense") + hidden, weights, f"{name}.output.LayerNorm"
        )
    mean = hidden.mean(0)
    return mean / np.linalg.norm(mean)


def embed(session, token_ids):
    ids, mask = pad_batch(token_ids)
    return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


@pytest.mark.parametrize("text", TEXTS)
def test_it_computes_what_the_reference_computes(session, tokenizer, weights, text):
    token_ids = tokenizer.tokenize([text])
    (vector,) = embed(session, token_ids)
    assert vector.shape == (384,)
    np.testing.assert_allclose(vector, reference_embedding(token_ids[0], weights), atol=2e-6)


def test_padding_and_company_change_nothing(session, tokenizer):
    token_ids = tokenizer.tokenize(TEXTS)
    together = embed(session, token_ids)
    alone = np.concatenate([embed(session, [ids]) for ids in token_ids])
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_vectors_have_length_one(session, tokenizer):
    np.testing.assert_allclose(np.linalg.norm(embed(session, tokenizer.tokenize(TEXTS)), axis=1), 1.0, atol=1e-6)


def test_meaning_is_near_meaning(session, tokenizer):
    sentences = ["a cat sleeps on a sofa", "a kitten naps on the couch", "quarterly tax returns"]
    cat, kitten, taxes = embed(session, tokenizer.tokenize(sentences))
    assert cat @ kitten > 0.6 > 0.2 > cat @ taxes
