"""ONNX: a graph of operators, in protobuf."""
