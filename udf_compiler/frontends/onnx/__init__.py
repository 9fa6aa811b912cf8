"""Translates ONNX models: sessions of ONNX Runtime in functions, and the nodes of their graphs.

`session` represents a session, `reading` reads a file, `evaluation` applies the translators of nodes to tensors.
"""
