"""Compares functions that load modules of PyTorch: whole modules and states, from files, bytes, captured dicts and caches."""

from __future__ import annotations

import functools
import io

import pandas as pd
import pytest
from pyspark.sql.types import FloatType

from tests.helpers.models import compare, numbers
from tests.helpers.pytorch import NEAR, pytorch
from udf_compiler.process.process_state import ProcessState

torch = pytorch()
nn, F = torch.nn, torch.nn.functional

BATCH = numbers()


class Net(nn.Module):
    """A network whose constructor uses what constructors use: options, lists, initial values, a buffer and a parameter."""

    def __init__(self, width, hidden=8):
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.layers = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(2)])
        self.heads = nn.ModuleDict({"value": nn.Sequential(nn.Dropout(0.2), nn.Linear(hidden, 1))})
        nn.init.xavier_uniform_(self.first.weight)
        self.register_buffer("shift", torch.zeros(width))
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = F.relu(self.norm(self.first(x - self.shift)))
        for layer in self.layers:
            x = x + F.gelu(layer(x))
        return self.heads["value"](x) * self.alpha


def trained():
    torch.manual_seed(0)
    net = Net(4)
    with torch.no_grad():
        net.norm.running_mean.normal_()
        net.norm.running_var.uniform_(0.5, 2.0)
        net.shift.normal_()
        net.alpha.fill_(1.5)
    return net


NET = trained()
STATE = NET.state_dict()
SEQUENCE = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))


def saved(x):
    buffer = io.BytesIO()
    torch.save(x, buffer)
    return buffer.getvalue()


STATE_BYTES, SEQUENCE_BYTES = saved(STATE), saved(SEQUENCE)


def score(net, d):
    with torch.no_grad():
        return pd.Series(net(torch.tensor(d.values, dtype=torch.float32))[:, 0].numpy())


def of_captured_state(d):
    net = Net(4)
    net.load_state_dict(STATE)
    net.eval()
    return score(net, d)


def of_bytes(d):
    net = Net(width=4)
    net.load_state_dict(torch.load(io.BytesIO(STATE_BYTES), map_location=torch.device("cpu")))
    return score(net.eval(), d)


def of_module_in_bytes(d):
    return score(torch.load(io.BytesIO(SEQUENCE_BYTES), weights_only=False).eval(), d)


def of_new_sequence(d):
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    net.load_state_dict({name: STATE_OF_SEQUENCE[name] for name in STATE_OF_SEQUENCE})
    return score(net, d)


STATE_OF_SEQUENCE = SEQUENCE.state_dict()


@pytest.mark.parametrize("function", [of_captured_state, of_bytes, of_module_in_bytes, of_new_sequence])
def test_states_in_memory(function):
    assert compare(function, BATCH, FloatType(), **NEAR).rows == 200


@functools.lru_cache(maxsize=1)
def loaded(path):
    net = Net(4)
    net.load_state_dict(torch.load(path))
    return net.eval()


def test_files(tmp_path):
    torch.save(STATE, tmp_path / "state.pt")
    torch.save(SEQUENCE, tmp_path / "module.pt")
    state, module = str(tmp_path / "state.pt"), str(tmp_path / "module.pt")

    def of_state(d):
        net = Net(4)
        net.load_state_dict(torch.load(state, map_location="cpu", weights_only=True))
        net.eval()
        return score(net, d)

    def of_module(d):
        net = torch.load(module, weights_only=False)
        net.eval()
        return score(net, d)

    def cached(d):
        return score(loaded(state), d)

    def missing(d):
        return score(torch.load(state + "x"), d)

    def by_pickle(d):  # the default of PyTorch reads weights only
        return score(torch.load(module), d)

    files = {"folder": str(tmp_path), "jobFiles": str(tmp_path), "limit": 1 << 20}
    for function in (of_state, of_module, cached):
        assert compare(function, BATCH, FloatType(), files=files, **NEAR).rows == 200
        assert compare(function, BATCH, FloatType()).refused == "SW805"
    assert [compare(function, BATCH, FloatType(), files=files).refused for function in (missing, by_pickle)] == ["SW860"] * 2


MODEL = None


def lazily(d):
    global MODEL
    if MODEL is None:
        MODEL = Net(4)
        MODEL.load_state_dict(STATE)
        MODEL.eval()
    return score(MODEL, d)


def test_a_global_that_is_loaded_once(monkeypatch):
    monkeypatch.setitem(lazily.__globals__, "__name__", "__main__")
    assert compare(lazily, BATCH, FloatType(), **NEAR).rows == 200


@pytest.mark.parametrize("change", [
    lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_grad_enabled(False),
    lambda: torch.set_float32_matmul_precision("medium"), lambda: torch.set_default_device("meta"),
], ids=["dtype", "gradients", "precision", "device"])  # fmt: skip
def test_defaults_that_a_module_changes(change):
    """The compile service reverts and refuses them: they would hold for all later functions."""
    before = ProcessState()
    change()
    assert before.taken_back() == ["the defaults of PyTorch"]
    assert before.taken_back() == []


def random_weights(d):
    return score(Net(4).eval(), d)


def other_shape(d):
    net = Net(4, hidden=9)
    net.load_state_dict(STATE)
    return score(net.eval(), d)


def partial_state(d):
    net = Net(4)
    net.load_state_dict({"alpha": STATE["alpha"]})
    return score(net.eval(), d)


def incomplete(d):
    net = Net(4)
    net.load_state_dict({"alpha": STATE["alpha"]}, strict=False)
    return score(net.eval(), d)


def captured(d):
    NET.load_state_dict(STATE)
    return score(NET.eval(), d)


def in_training(d):
    net = Net(4)
    net.load_state_dict(STATE)
    return score(net, d)


@pytest.mark.parametrize(("function", "code"), [
    (random_weights, "SW843"), (other_shape, "SW252"), (partial_state, "SW252"), (incomplete, "SW843"), (captured, "SW217"),
    (in_training, "SW843"),
])  # fmt: skip
def test_refusals(function, code):
    assert compare(function, BATCH, FloatType()).refused == code
