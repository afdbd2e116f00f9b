"""onnxruntime: inference with a graph that is built from the weights."""

import importlib
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.bench import workload
from mnistburn.bench.tasks import Prepared, Task

onnx: Any = importlib.import_module("onnx")
onnxruntime: Any = importlib.import_module("onnxruntime")

# A graph of old kinds is read by every runtime; what onnx writes by default may be too new.
_OPERATORS: Final = 17
_FORMAT: Final = 8


def graph() -> bytes:
    """Return the network of the Burn book as an ONNX model, from raw pixels to logits."""
    node = onnx.helper.make_node
    values = onnx.helper.make_tensor_value_info
    scale = numpy.float32(1 / (255 * workload.STD))
    constants = {
        **workload.first_weights(),
        "scale": numpy.array(scale),
        "shift": numpy.array(workload.MEAN / workload.STD, dtype=numpy.float32),
        "image": numpy.array([-1, 1, 28, 28]),
        "row": numpy.array([-1, 1024]),
    }
    nodes = [
        node("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
        node("Mul", ["floats", "scale"], ["scaled"]),
        node("Sub", ["scaled", "shift"], ["shifted"]),
        node("Reshape", ["shifted", "image"], ["x0"]),
        node("Conv", ["x0", "conv1.weight", "conv1.bias"], ["x1"]),
        node("Conv", ["x1", "conv2.weight", "conv2.bias"], ["x2"]),
        node("Relu", ["x2"], ["x3"]),
        node("AveragePool", ["x3"], ["x4"], kernel_shape=[3, 3], strides=[3, 3]),
        node("Reshape", ["x4", "row"], ["x5"]),
        node("Gemm", ["x5", "linear1.weight", "linear1.bias"], ["x6"]),
        node("Relu", ["x6"], ["x7"]),
        node("Gemm", ["x7", "linear2.weight", "linear2.bias"], ["logits"]),
    ]
    content = onnx.helper.make_graph(
        nodes,
        "guide",
        [values("pixels", onnx.TensorProto.UINT8, ["batch", 28, 28])],
        [values("logits", onnx.TensorProto.FLOAT, ["batch", 10])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    operators = [onnx.helper.make_opsetid("", _OPERATORS)]
    model = onnx.helper.make_model(content, opset_imports=operators, ir_version=_FORMAT)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def prepare(task: Task) -> Prepared:
    """Load, choose the settings and warm up.

    Args:
        task: What to measure.

    Returns:
        What measures it.
    """
    content = graph()

    def make(settings: dict[str, bool]) -> workload.Forward:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = task.threads
        options.inter_op_num_threads = 1
        # By default its threads spin for some milliseconds after a call, for the sake of the next
        # one; the controller waits for the end of that between measurements.
        spinning = "1" if settings.get("spinning", True) else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])

        def forward(images: workload.Images) -> NDArray[numpy.float32]:
            logits: NDArray[numpy.float32] = session.run(None, {"pixels": images})[0]
            return logits

        return forward

    settings = {"spinning": True} if task.threads > 1 else {}
    return workload.fastest_inference(task, str(onnxruntime.__version__), settings, make)
