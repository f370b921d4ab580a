"""A detector as an ONNX model, built node by node from its cells, because MindSpore's own exporter cannot write one."""
