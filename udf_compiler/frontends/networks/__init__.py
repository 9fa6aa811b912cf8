"""Defines tensors of the batch's rows and layers over them, which the frontends of ONNX and PyTorch share."""
