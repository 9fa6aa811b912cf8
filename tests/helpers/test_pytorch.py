"""Checks which folder tests of PyTorch add to the import path."""

from __future__ import annotations

import pytest

from tests.helpers import pytorch


def test_a_named_folder_without_pytorch_skips_no_test(monkeypatch, tmp_path):
    monkeypatch.setattr(pytorch.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(pytorch, "_DEBIAN", tmp_path)
    monkeypatch.delenv("SPARKWELD_TORCH", raising=False)
    assert pytorch.folder.__wrapped__() is None
    monkeypatch.setenv("SPARKWELD_TORCH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="which has no PyTorch for this Python"):
        pytorch.folder.__wrapped__()
