"""Graphs of towers: folded, compact, and refused when they answer something else."""

from collections import Counter

import pytest
import torch
from sightwire_trainer.export.errors import ExportError
from sightwire_trainer.export.onnx_graphs import onnx_graph, require_graph_parity
from sightwire_trainer.export.parity import require_parity
from sightwire_trainer.export.tower_programs import image_program
from sightwire_trainer.models.head import Head
from sightwire_trainer.models.image_tower import TrunkAndHead
from torch import nn

from services.trainer.tests.tiny_models import with_statistics

#: The first export of a process imports all of torch's compiler.
pytestmark = pytest.mark.timeout(300)


class NormedTrunk(nn.Sequential):
    """Two convolutions with batch norms, as in most published nets."""

    mean = (0.5, 0.4, 0.3)
    deviation = (0.2, 0.3, 0.4)
    features = 6

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
            *(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )


@pytest.fixture(scope="module")
def program():
    tower = TrunkAndHead(NormedTrunk(), Head(6, (8,), 5), size=16, dimension=5)
    with_statistics(tower)
    return image_program(tower)


@pytest.fixture(scope="module")
def graph(program):
    return onnx_graph(program)


def test_batch_norms_are_folded_but_for_that_of_the_head(graph):
    operators = Counter(node.op_type for node in graph.graph.node)
    assert (operators["Conv"], operators["BatchNormalization"]) == (2, 1)
    assert (operators["Constant"], operators["Identity"]) == (0, 0)
    assert not any(node.metadata_props for node in graph.graph.node)


def test_any_batch_of_one_size(graph):
    (given,), (answered,) = graph.graph.input, graph.graph.output
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (given, answered)]
    assert (given.name, answered.name) == ("images", "image_embeddings")
    assert shapes == [["batch", 3, 16, 16], ["batch", 5]]


def test_a_graph_of_other_weights_is_refused(program, graph):
    altered = type(graph)()
    altered.CopyFrom(graph)
    weights = next(tensor for tensor in altered.graph.initializer if len(tensor.dims) == 4)
    weights.raw_data = bytes(len(weights.raw_data))
    with pytest.raises(ExportError, match=r"differ from the model's by .*expected at most 1e-04"):
        require_graph_parity("the altered graph", altered, program)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(lambda vectors: vectors * float("nan"), "by nan", id="no numbers"),
        pytest.param(lambda vectors: vectors[:1], r"shape \[3, 5\]", id="a fixed batch"),
        pytest.param(lambda vectors: vectors + 2e-4, "by 2.00e-04", id="a small difference"),
    ],
)
def test_other_answers_are_refused(program, answer, said):
    with pytest.raises(ExportError, match=said):
        require_parity("a backend", program, lambda inputs: answer(program.expected(inputs)).numpy())


def test_rounding_is_not(program):
    assert require_parity("a backend", program, lambda inputs: program.expected(inputs).numpy() + 1e-6) < 1e-5


def test_the_model_is_left_as_it_was():
    tower = TrunkAndHead(NormedTrunk(), None, size=16, dimension=6)
    image_program(tower)
    assert tower.training
    assert all(parameter.requires_grad for parameter in tower.parameters())
    assert torch.is_grad_enabled()
