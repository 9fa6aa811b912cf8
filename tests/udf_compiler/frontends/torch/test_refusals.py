"""Checks what PyTorch's modules are refused for: states, other devices, gradients, and what has no translation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import FloatType

from tests.helpers.models import compare, compiled, numbers
from tests.helpers.pytorch import pytorch

torch = pytorch()
nn = torch.nn

BATCH = numbers(columns=3)


def of_tensor(function):
    """Returns a UDF that applies a function to the matrix of the columns, and returns the first column of the result."""

    def scored(d):
        with torch.no_grad():
            return pd.Series(function(torch.tensor(d.to_numpy(), dtype=torch.float32))[:, 0].numpy())

    return scored


def of_module(net):
    return of_tensor(lambda x: net(x))


class Unknown(nn.Linear):
    """A class derived from a layer."""


class Custom(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.layer, self.run = nn.Linear(3, 3), run

    def forward(self, x):
        return self.run(self, x)


def hooked():
    net = nn.Linear(3, 1).eval()
    net.register_forward_hook(lambda module, args, output: output + 1)
    return net


def assigns(net, x):
    net.seen = x
    return x


REFUSED = {
    "dropout in training": (nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)), "SW843", "random results"),
    "statistics of the batch": (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), "SW843", "the statistics of the batch"),
    "no running statistics": (nn.BatchNorm1d(3, track_running_stats=False).eval(), "SW843", "the statistics of the batch"),
    "the mode itself": (Custom(lambda net, x: x * 2 if net.training else x), "SW843", "the mode of training"),
    "a hook": (hooked(), "SW843", "hooks"),
    "a derived layer": (Unknown(3, 1).eval(), "SW843", "the base class Linear"),
    "no translation": (nn.LSTM(3, 2).eval(), "SW843", "LSTM has no translation"),
    "a convolution": (nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 1, 2), nn.Flatten()).eval(), "SW843", "no translation"),
    "half of the bits": (nn.Linear(3, 1).half().eval(), "SW252", "dtype"),
    "a captured state": (Custom(assigns).eval(), "SW217", "seen"),
    "the rows' axis": (Custom(lambda net, x: x.sum(dim=0, keepdim=True) + x).eval(), "SW843", "the axis of the batch's rows"),
    "all values": (Custom(lambda net, x: x - x.mean()).eval(), "SW843", "the axis of the batch's rows"),
    "a product of rows": (Custom(lambda net, x: x @ x.reshape(-1, 3)).eval(), "SW252", "shapes cannot be multiplied"),
    "random numbers": (Custom(lambda net, x: x + torch.rand(3)).eval(), "SW263", "torch.rand"),
    "a squeezed batch": (Custom(lambda net, x: net.layer(x).squeeze()).eval(), "SW843", "name the axis"),
    "a row": (Custom(lambda net, x: x[:1] + x).eval(), "SW843", "an index of the batch's rows"),
    "a loop over rows": (Custom(lambda net, x: torch.stack(list(x))).eval(), "SW843", "each row of the batch"),
    "its number of rows": (Custom(lambda net, x: x / len(x)).eval(), "SW250", "len of a tensor"),
    "a branch": (Custom(lambda net, x: x if (x > 0).all() else -x).eval(), "SW843", "the axis of the batch's rows"),
    "a device": (Custom(lambda net, x: net.layer.to("cuda")(x)).eval(), "SW843", "the device cuda"),
    "other widths": (nn.Linear(4, 1).eval(), "SW252", "shapes cannot be multiplied"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_modules(name):
    net, code, text = REFUSED[name]
    reply = compiled(of_module(net), BATCH, FloatType())
    assert reply["status"] == "refused"
    [refusal] = reply["refusals"]
    assert refusal["code"] == code and text in refusal["message"], refusal


NET = nn.Linear(3, 1).eval()


def with_gradient(d):
    return pd.Series(NET(torch.tensor(d.to_numpy(), dtype=torch.float32))[:, 0].numpy())


def of_doubles(d):
    with torch.no_grad():
        return pd.Series(NET(torch.tensor(d.to_numpy()))[:, 0].numpy())


def by_numpy(d):
    with torch.no_grad():
        return pd.Series(np.asarray(NET(torch.tensor(d.to_numpy(), dtype=torch.float32)))[:, 0])


def seeds(d):
    torch.manual_seed(0)
    return d["a"]


def trains(d):
    NET.train()
    return d["a"]


def changes_in_place(d):
    x = torch.from_numpy(d.to_numpy())
    x += 1
    return pd.Series(x[:, 0].numpy())


@pytest.mark.parametrize(("function", "code"), [
    (with_gradient, "SW252"), (of_doubles, "SW252"), (by_numpy, "SW262"), (seeds, "SW263"), (trains, "SW843"),
    (changes_in_place, "SW256"),
])  # fmt: skip
def test_functions(function, code):
    assert compare(function, BATCH, FloatType()).refused == code


def test_changes_of_a_tensor_of_its_own():
    """A tensor whose memory nothing else sees may change in place."""

    def relu(x):
        x = NET(x)
        x += 1
        return x.relu_()

    def viewed(x):
        x = NET(x)
        first = x[:, 0]
        x += 1
        return first.unsqueeze(1)

    assert compare(of_tensor(relu), BATCH, FloatType(), rtol=1e-5, atol=1e-5).rows == 200
    assert compare(of_tensor(viewed), BATCH, FloatType()).refused == "SW256"
