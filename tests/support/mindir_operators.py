"""The operators of a MINDIR file, and those that an Ascend can run."""

from pathlib import Path

from mindrcnn import paths
from mindrcnn.exported.texts import fields, fields_of

GRAPH, NODE, OPERATOR = 7, 1, 4  # fields of MINDIR's ModelProto, GraphProto and NodeProto

# Operators of exported detectors that the Ascend libraries of MindSpore 2.8.0's wheel have an adapter for: conversion
# for an Ascend stops at others. tests/ascend310/test_operators.py compares this list with the libraries.
ADAPTED = {
    *("Abs", "Add", "BatchMatMul", "BatchNorm", "BiasAdd", "Cast", "Ceil", "Concat", "Conv2D", "Div", "Equal", "Exp"),
    *("ExpandDims", "Floor", "FloorDiv", "Gather", "Greater", "GreaterEqual", "IsFinite", "Less", "LessEqual"),
    *("LogicalAnd", "LogicalNot", "MaskedFill", "MatMul", "MaxPool", "Maximum", "Minimum", "Mul", "Muls"),
    *("NMSWithMask", "Neg", "ReLU", "ReLU6", "ReduceMax", "ReduceMin", "Reshape", "Rsqrt", "ScatterNd", "Select"),
    *("Sigmoid", "Softmax", "Sqrt", "Squeeze", "Stack", "StridedSlice", "Sub", "TensorScatterElements", "Tile"),
    *("TopK", "Transpose", "Unstack"),
}
# Parts of a graph that compute nothing.
STRUCTURE = {"Constant", "Depend", "Load", "MakeTuple", "TupleGetItem", "UpdateState", "make_list"}


def operators(file: Path) -> set[str]:
    """Returns the names of the operators of a MINDIR file's graph."""
    graph = fields_of(memoryview(paths.read_bytes(file)))[GRAPH]
    kinds = {bytes(fields_of(node)[OPERATOR]).decode() for number, node in fields(graph) if number == NODE}
    # REF::Add:12 refers to the twelfth primitive of the file, an Add.
    return {kind.removeprefix("REF::").split(":")[0] for kind in kinds}


def require_adapted(file: Path) -> None:
    """Fails if an Ascend has no adapter of an operator of a MINDIR file."""
    found = operators(file) - STRUCTURE
    assert found
    assert found <= ADAPTED, f"no adapter known for {sorted(found - ADAPTED)}"
