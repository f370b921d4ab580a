"""An ONNX graph in the making: operators as methods, weights, constants, and sizes that may be known or not.

A value is the name of a tensor. `graph.Conv(x, weight, bias, pads=(1, 1, 1, 1))` adds a node and returns its output;
a number or an array among the operands becomes a constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

OPSET = 17  # what Huawei's ATC reads at most; below 16, RoiAlign has no half_pixel
IR_VERSION = 8  # of the ONNX release that introduced this operator set
FLOAT, INT32, INT64, UINT8, BOOL = (
    TensorProto.FLOAT,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.BOOL,
)
KEEP = 0  # in the shape of a Reshape: the input's own size along that axis
REST = -1  # in the shape of a Reshape: all that the other axes leave
ABSENT = ""  # in place of an optional operand

Value = str
Size = int | Value  # a number, where it is known, or an int64 tensor (1,)
Operand = Value | float | Sequence[int] | NDArray[Any]


class Graph:
    """Nodes, constants, inputs and outputs of a model."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._scope = ""

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if not operator[:1].isupper():
            raise AttributeError(operator)
        return partial(self._add, operator)

    def _add(self, operator: str, *operands: Operand, outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node; returns the name of its output, or a list of names if it has several."""
        name = f"{self._scope}{operator}_{len(self._nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{number}" for number in range(outputs)]
        inputs = [self.value(operand) for operand in operands]
        self._nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Puts `name/` before the names of the nodes added inside the block."""
        before, self._scope = self._scope, f"{self._scope}{name}/"
        try:
            yield
        finally:
            self._scope = before

    def value(self, operand: Operand) -> Value:
        """Returns an operand's name; floats become float32 and whole numbers int64 constants."""
        if isinstance(operand, str):
            return operand
        if isinstance(operand, float):
            return self.constant(np.float32(operand))
        return self.constant(operand if isinstance(operand, np.ndarray) else np.asarray(operand, np.int64))

    def constant(self, array: NDArray[Any] | np.generic) -> Value:
        """Returns the name of a constant; equal ones share it."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.weight(f"constant_{len(self._known)}", array)
        return self._known[key]

    def weight(self, name: str, array: NDArray[Any]) -> Value:
        """Adds an array under a name of its own, which it returns."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def input(self, name: str, kind: int, sizes: Sequence[int | str]) -> Value:
        """Declares an input of the model; sizes that are not known have names."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(sizes)))
        return name

    def output(self, name: str, value: Value, kind: int, sizes: Sequence[int | str]) -> None:
        """Declares an output of the model."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output/{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, kind, list(sizes)))

    def model(self, metadata: Mapping[str, str]) -> ModelProto:
        """Returns the checked model with texts that describe it."""
        graph = helper.make_graph(
            self._nodes, "detector", self._inputs, self._outputs, initializer=list(self._constants.values())
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="mindrcnn"
        )
        helper.set_model_props(model, dict(metadata))
        checker.check_model(model, full_check=True)
        return model

    def size_of(self, value: Value, axis: int) -> Value:
        """Returns the size of a tensor along an axis."""
        return self.Shape(value, start=axis, end=axis + 1)

    def product(self, *sizes: Size) -> Size:
        """Returns the product of sizes."""
        return self._reduce("Mul", math.prod, sizes)

    def total(self, *sizes: Size) -> Size:
        """Returns the sum of sizes."""
        return self._reduce("Add", sum, sizes)

    def least(self, *sizes: Size) -> Size:
        """Returns the smallest of sizes."""
        return self._reduce("Min", min, sizes)

    def quotient(self, size: Size, divisor: int) -> Size:
        """Returns a size divided by a number and rounded up."""
        if isinstance(size, int):
            return -(-size // divisor)
        return self.Div(self.Add(size, divisor - 1), divisor)

    def _reduce(self, operator: str, compute: Callable[[Sequence[int]], int], sizes: Sequence[Size]) -> Size:
        known = [size for size in sizes if isinstance(size, int)]
        values: list[Size] = [size for size in sizes if isinstance(size, str)]
        values += [compute(known)] if known else []
        result = values[0]
        for value in values[1:]:
            result = self._add(operator, result, self.shape(value))
        return result

    def shape(self, *sizes: Size) -> Value:
        """Returns the int64 tensor of sizes that Reshape, Expand and TopK take."""
        if all(isinstance(size, int) for size in sizes):
            return self.constant(np.array(sizes, np.int64))
        values = [self.constant(np.array([size], np.int64)) if isinstance(size, int) else size for size in sizes]
        return values[0] if len(values) == 1 else self.Concat(*values, axis=0)

    def counting(self, size: Size) -> Value:
        """Returns the whole numbers from 0 to size - 1, (size,) int64."""
        if isinstance(size, int):
            return self.constant(np.arange(size))
        return self.Range(0, self.Squeeze(size), 1)

    def columns(self, value: Value, count: int) -> list[Value]:
        """Returns the `count` columns (..., 1) of a tensor (..., count)."""
        return self.Split(value, axis=-1, outputs=count)
