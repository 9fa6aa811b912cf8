"""Compares modules of TorchScript, scripted and traced, that a function loads from bytes or a file."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from pyspark.sql.types import FloatType, LongType

from tests.helpers.models import compare, compiled, numbers
from tests.helpers.pytorch import NEAR, pytorch

torch = pytorch()
nn, F = torch.nn, torch.nn.functional

ODD = numbers(odd=True, seed=2)


class Net(nn.Module):
    """Uses the layers and functions whose operators have other arguments than the eager functions."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.rows = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.LayerNorm(8)
        self.table, self.last, self.drop = nn.Embedding(3, 2), nn.Linear(10, 3), nn.Dropout(0.3)
        self.act, self.shift = nn.ReLU(inplace=True), nn.Parameter(torch.ones(4))

    def forward(self, x):
        h = self.act(self.norm(self.first(x - self.shift)))
        h = h + F.gelu(self.rows(self.drop(h))) * 0.5
        h = torch.cat([F.leaky_relu(h, 0.1), F.elu(h)], dim=1)[:, :8]
        h = torch.cat([h, self.table((x[:, 0] > 0).long())], dim=1)
        return F.softmax(self.last(F.silu(h)), dim=1)


class Branching(nn.Module):
    def forward(self, x):
        return x if bool((x > 0).all()) else -x


def saved(script):
    buffer = io.BytesIO()
    torch.jit.save(script, buffer)
    return buffer.getvalue()


torch.manual_seed(0)
NET = Net().eval()
SCRIPTED, TRACED = saved(torch.jit.script(NET)), saved(torch.jit.trace(NET, torch.ones(2, 4)))
TRAINING, BRANCHING = saved(torch.jit.script(Net())), saved(torch.jit.script(Branching().eval()))
UNKNOWN = saved(torch.jit.script(nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 1, 2), nn.Flatten()).eval()))


def value(data):
    def scored(d):
        net = torch.jit.load(io.BytesIO(data), map_location="cpu")
        with torch.no_grad():
            return pd.Series(net(torch.tensor(d.values, dtype=torch.float32))[:, 1].numpy())

    return scored


def label(data):
    def scored(d):
        net = torch.jit.load(io.BytesIO(data))
        net.eval()
        with torch.no_grad():
            return pd.Series(net(torch.tensor(d.values, dtype=torch.float32)).argmax(dim=1).numpy())

    return scored


@pytest.mark.parametrize("data", [SCRIPTED, TRACED], ids=["scripted", "traced"])
def test_modules(data):
    assert compare(value(data), ODD, FloatType(), **NEAR).rows > 150
    assert compare(label(data), ODD, LongType()).rows > 150


def test_files(tmp_path):
    path = str(tmp_path / "net.pt")
    torch.jit.save(torch.jit.script(NET), path)

    def of_file(d):
        net = torch.jit.load(path)
        with torch.inference_mode():
            return pd.Series(net(torch.tensor(d.values, dtype=torch.float32))[:, 0].numpy())

    files = {"folder": str(tmp_path), "jobFiles": str(tmp_path), "limit": 1 << 20}
    assert compare(of_file, ODD, FloatType(), files=files, **NEAR).rows > 150
    assert compare(of_file, ODD, FloatType()).refused == "SW805"


@pytest.mark.parametrize(("data", "code", "text"), [
    (TRAINING, "SW843", "the mode of training"), (UNKNOWN, "SW843", "the operator aten::"),
    (BRANCHING, "SW843", "the axis of the batch's rows"), (b"no module", "SW860", "torch.jit.load"),
])  # fmt: skip
def test_refusals(data, code, text):
    [refusal] = compiled(value(data), ODD, FloatType())["refusals"]
    assert refusal["code"] == code and text in refusal["message"], refusal
