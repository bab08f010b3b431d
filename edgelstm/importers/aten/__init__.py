"""PyTorch's own graphs: calls of its operators, ATen, written as ONNX's, which `from_onnx` follows.

`exported` reads ``torch.export``'s files and `script` those of TorchScript; both give calls to `operators`, which write nodes by `writer`.
"""
