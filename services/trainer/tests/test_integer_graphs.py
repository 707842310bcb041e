"""Graphs in 8 bits answer nearly what they answered, whatever their tensors are called."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sightwire_trainer.export.integer_graphs import dynamic_integers


def test_tensors_with_names_that_the_library_gives() -> None:
    random = np.random.default_rng(1)
    weights = {name: random.normal(size=(8, 8)).astype(np.float32) for name in ("hidden_scale", "last_quantized")}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "hidden_scale"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "last_quantized"], ["last"]),
        ],
        "two products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("last", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)

    integers = dynamic_integers(model)

    x = random.normal(size=(5, 8)).astype(np.float32)
    expected, found = _answer(model, x), _answer(integers, x)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    assert "MatMulInteger" in {node.op_type for node in integers.graph.node}
    assert [tensor.name for tensor in model.graph.initializer] == list(weights), "the given graph was changed"


def _answer(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answer: np.ndarray = session.run(None, {"x": x})[0]
    return answer
