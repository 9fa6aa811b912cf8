"""Compares modules of PyTorch in pandas UDFs with PyTorch itself: each layer and its options, users' classes, and labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, FloatType, IntegerType, LongType

from tests.helpers.models import batch_of, compare, numbers
from tests.helpers.pytorch import NEAR, NEAR64, pytorch

torch = pytorch()
nn, F = torch.nn, torch.nn.functional

ODD = numbers(odd=True, seed=2)
PLAIN = numbers(seed=4)


def seeded(make):
    """Returns a module in the mode of evaluation, with the same numbers in each process."""
    torch.manual_seed(0)
    made = make()
    with torch.no_grad():
        for module in made.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
                if module.affine:
                    module.weight.normal_()
                    module.bias.normal_()
    return made.eval()


def scored(net, column=0, dtype=torch.float32):
    """Returns a function that scores a frame and returns a column of the results."""

    def of_frame(d):
        with torch.no_grad():
            return pd.Series(net(torch.tensor(d.to_numpy(), dtype=dtype))[:, column].numpy())

    return of_frame


LAYERS = [
    lambda: nn.Identity(), lambda: nn.ReLU(), lambda: nn.LeakyReLU(), lambda: nn.LeakyReLU(0.2), lambda: nn.ELU(),
    lambda: nn.ELU(alpha=2.0), lambda: nn.SELU(), lambda: nn.GELU(), lambda: nn.GELU(approximate="tanh"), lambda: nn.SiLU(),
    lambda: nn.Mish(), lambda: nn.Sigmoid(), lambda: nn.Tanh(), lambda: nn.Softplus(), lambda: nn.Softsign(),
    lambda: nn.LogSigmoid(), lambda: nn.Hardtanh(), lambda: nn.Hardtanh(-0.5, 2.0), lambda: nn.ReLU6(), lambda: nn.Hardsigmoid(),
    lambda: nn.Hardswish(), lambda: nn.Softmax(dim=1), lambda: nn.LogSoftmax(dim=-1), lambda: nn.PReLU(), lambda: nn.PReLU(5),
    lambda: nn.Dropout(0.3), lambda: nn.AlphaDropout(0.3), lambda: nn.BatchNorm1d(5), lambda: nn.BatchNorm1d(5, affine=False),
    lambda: nn.BatchNorm1d(5, eps=0.1), lambda: nn.LayerNorm(5), lambda: nn.LayerNorm([5], elementwise_affine=False),
    lambda: nn.LayerNorm(5, bias=False), lambda: nn.Flatten(), lambda: nn.Linear(5, 5), lambda: nn.Linear(5, 5, bias=False),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(LAYERS)), ids=lambda at: str(LAYERS[at]()))
def test_layers(at):
    """Each layer alone behind a layer, and between two."""
    net = seeded(lambda: nn.Sequential(nn.Linear(4, 5), LAYERS[at](), nn.Linear(5, 2)))
    assert compare(scored(net), ODD, FloatType(), **NEAR).rows > 150
    first = seeded(lambda: nn.Sequential(nn.Linear(4, 5), LAYERS[at]()))
    assert compare(scored(first, 3), PLAIN, FloatType(), **NEAR).rows > 150


@pytest.mark.parametrize("at", [i for i, make in enumerate(LAYERS) if not {"BatchNorm1d", "LayerNorm", "PReLU", "Linear"} &
                                {type(make()).__name__}], ids=lambda at: str(LAYERS[at]()))  # fmt: skip
def test_layers_of_the_columns(at):
    """Layers whose arguments are the columns themselves, in both widths of floats."""
    net = seeded(LAYERS[at])
    assert compare(scored(net, 1), ODD, FloatType(), **NEAR).rows > 150
    wide = compare(scored(net, 1, torch.float64), ODD, DoubleType(), **NEAR64)
    assert wide.rows > 150


def test_normalizations_of_the_columns():
    for make in (lambda: nn.BatchNorm1d(4), lambda: nn.LayerNorm(4), lambda: nn.PReLU(4)):
        assert compare(scored(seeded(make), 2), ODD, FloatType(), **NEAR).rows > 120


def test_networks_of_64_bit_floats():
    def make():
        return nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.BatchNorm1d(9), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 1))

    net = seeded(make)
    assert compare(scored(net.double(), 0, torch.float64), ODD, DoubleType(), **NEAR64).rows > 150


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.Linear(width, width))

    def forward(self, x):
        return x + self.inner(x)


class Net(nn.Module):
    """A network as people write them: blocks in a list, functions, a buffer, an option and a property."""

    widths = (4, 6)

    def __init__(self, blocks=2, classes=3):
        super().__init__()
        self.first = nn.Linear(*self.widths)
        self.norm = nn.BatchNorm1d(6)
        self.blocks = nn.ModuleList([Residual(6) for _ in range(blocks)])
        self.heads = nn.ModuleDict({"label": nn.Linear(6, classes), "value": nn.Linear(6, 1)})
        self.register_buffer("shift", torch.tensor([0.5, -1.0, 2.0, 0.25]))
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.p = 0.3

    @property
    def is_deep(self):
        return len(self.blocks) > 1

    def embed(self, x):
        x = F.leaky_relu(self.norm(self.first((x - self.shift) * self.scale)), 0.1)
        return F.dropout(x, self.p, self.training)

    def forward(self, x, head: str = "label"):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        if self.is_deep:
            x = torch.tanh(x)
        return self.heads[head](x)


class Wrapped(Net):
    def forward(self, x):
        return torch.cat([super().forward(x), super().forward(x, head="value")], dim=1)


NET = seeded(Net)
WRAPPED = seeded(Wrapped)


def test_classes_of_users():
    def values(d):
        with torch.inference_mode():
            return pd.Series(NET(torch.from_numpy(d.values.astype(np.float32)), "value").squeeze(-1).numpy())

    def all_heads(d):
        with torch.no_grad():
            return pd.Series(WRAPPED(torch.as_tensor(d.values).float())[:, 3].cpu().numpy())

    def likely(d):
        with torch.no_grad():
            return pd.Series(torch.softmax(NET(torch.FloatTensor(d.values)), dim=1).max(dim=1).values.numpy())

    for function in (values, all_heads, likely):
        assert compare(function, ODD, FloatType(), **NEAR).rows > 150


@torch.no_grad()
def labels_of(d):
    NET.eval()
    return pd.Series(NET(torch.tensor(d.values, dtype=torch.float32)).argmax(dim=1).numpy())


@torch.inference_mode()
def above(d):
    return pd.Series((torch.sigmoid(NET(torch.tensor(d.values, dtype=torch.float32))[:, 0]) > 0.5).int().numpy())


@torch.no_grad()
def nearest(d):
    return pd.Series(NET(torch.tensor(d.values, dtype=torch.float32))[:, 1].round().numpy())


@torch.no_grad()
def chosen(d):
    _, found = torch.max(NET(torch.tensor(d.values, dtype=torch.float32)), 1)
    return pd.Series(found.tolist())


def test_decisions():
    """Labels, thresholds and rounded numbers are equal: rows in which an error could decide run in Python."""
    for function, type in ((labels_of, LongType()), (above, IntegerType()), (nearest, FloatType()), (chosen, LongType())):
        made = compare(function, ODD, type, exact=False)
        assert made.rows > 150 and "torch" not in made.kept


def test_decisions_near_a_tie_run_in_python():
    """Two hidden units cancel except for the last bits: the order of a sum decides on which side of 0 the score is."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.1], [0.3]]))
        net[1].weight.copy_(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))

    def side(d):
        with torch.no_grad():
            return pd.Series((net(torch.tensor(d.values, dtype=torch.float32))[:, 0] > 0).numpy().astype("int64"))

    def larger(d):
        with torch.no_grad():
            return pd.Series(net(torch.tensor(d.values, dtype=torch.float32)).argmax(1).numpy())

    for function in (side, larger):
        assert compare(function, numbers(columns=1), LongType()).flagged == 200


def test_embeddings():
    torch.manual_seed(1)
    table, bag = nn.Embedding(7, 3), nn.EmbeddingBag(5, 2, mode="sum").eval()
    means, head = nn.EmbeddingBag(5, 2), nn.Linear(3 + 2 + 2 + 1, 2).eval()

    def of_codes(d):
        with torch.no_grad():
            code = torch.tensor(d["city"].values, dtype=torch.long)
            words = torch.tensor(d[["u", "v"]].values)
            x = torch.cat([table(code), bag(words), means(words), torch.tensor(d[["x"]].values, dtype=torch.float32)], dim=1)
            return pd.Series(head(x)[:, 0].numpy())

    rng = np.random.default_rng(3)
    columns = {"city": rng.integers(0, 7, 60), "u": rng.integers(0, 5, 60), "v": rng.integers(0, 5, 60), "x": rng.normal(size=60)}
    made = compare(of_codes, batch_of(**columns), FloatType(), **NEAR)
    assert (made.rows, made.flagged) == (60, 0)
    columns["city"][:4] = [-1, 7, 100, 3]  # PyTorch raises for an index outside of the table
    made = compare(of_codes, batch_of(**columns), FloatType(), **NEAR)
    assert (made.flagged, made.raised) == (3, 3)


def test_exact_results():
    """Where results must be exact, labels compile and values do not."""
    net = seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3)))

    def labels(d):
        with torch.no_grad():
            return pd.Series(net(torch.tensor(d.values, dtype=torch.float32)).argmax(dim=1).numpy())

    assert compare(labels, ODD, LongType(), exact=True).rows > 150
    assert compare(labels_of, ODD, LongType(), exact=True).refused == "SW232"  # tanh is approximate
    assert compare(scored(net), ODD, FloatType(), exact=True).refused == "SW820"
