"""Compares tensors of PyTorch in all kinds of functions with a worker: how they are made, read, and passed to a module.

The weights and the columns are multiples of 1/4, and small. So each order of additions has the same sum, and results are equal.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql.types import ArrayType, DoubleType, FloatType, IntegerType, LongType, StringType, StructType

from sparkweld.contract.constants import ARROW_BATCHED, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker
from tests.helpers.pytorch import pytorch

torch = pytorch()
nn, F = torch.nn, torch.nn.functional

RNG = np.random.default_rng(0)


def quarters(*shape):
    return RNG.integers(-8, 9, size=shape) / 4


def network(results):
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, results)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.tensor(quarters(*parameter.shape)))
        net[2].bias += torch.arange(results) / 64  # so that no two results are equal
    return net


ONE, THREE = network(1), network(3)
X = quarters(40, 3)
COLUMNS = pa.record_batch({name: pa.array(X[:, at]) for at, name in enumerate("abc")})
ARRAYS = pa.record_batch({"xs": pa.array(X.tolist(), pa.list_(pa.float64()))})
SINGLE = pa.record_batch({"xs": pa.array(X.tolist(), pa.list_(pa.float32()))})


def decided(function, batch, returns, eval_type):
    compared = compare_with_worker(function, [batch], returns, eval_type, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0), compared


def as_number(a, b, c):
    x = torch.tensor([[a, b, c]], dtype=torch.float32)
    with torch.no_grad():
        return ONE(x).item()


def as_label(a, b, c):
    return THREE(torch.tensor([a, b, c])).argmax().item()


def as_list(a, b, c):
    return THREE(torch.tensor([a, b, c])).detach().numpy().tolist()


def of_array(a, b, c):
    x = torch.from_numpy(np.array([[a, b, c]], dtype=np.float32))
    with torch.no_grad():
        return float(ONE(x).numpy()[0][0])


def as_largest(a, b, c):
    with torch.no_grad():
        values, found = torch.max(THREE(torch.tensor([[a, b, c]])), 1)
    return int(found.item())


def squeezed(a, b, c):
    with torch.no_grad():
        return THREE(torch.tensor([[a, b, c]])).squeeze().tolist()


def decides(a, b, c):
    with torch.no_grad():
        return "yes" if ONE(torch.tensor([[a, b, c]])).item() > 0.5 else "no"


@pytest.mark.parametrize(("function", "returns"), [
    (as_number, DoubleType()), (as_label, LongType()), (as_list, ArrayType(FloatType())), (of_array, DoubleType()),
    (as_largest, IntegerType()), (squeezed, ArrayType(DoubleType())), (decides, StringType()),
])  # fmt: skip
def test_single_rows(function, returns):
    decided(function, COLUMNS, returns, ARROW_BATCHED)


def of_list(xs):
    return ONE(torch.tensor(xs, dtype=torch.float32)).item()


def of_nested_list(xs):
    return ONE(torch.tensor([xs]).float()).item()


def of_unsqueezed(xs):
    return ONE(torch.FloatTensor(xs).unsqueeze(0)).item()


@pytest.mark.parametrize("function", [of_list, of_nested_list, of_unsqueezed])
def test_arrays_of_single_rows(function):
    decided(function, ARRAYS, DoubleType(), ARROW_BATCHED)


def stacked(xs):
    with torch.no_grad():
        return pd.Series(ONE(torch.from_numpy(np.stack(xs).astype(np.float32)))[:, 0].numpy())


def listed(xs):
    with torch.no_grad():
        return pd.Series(ONE(torch.tensor(np.vstack(xs.values), dtype=torch.float32)).flatten().tolist())


@pytest.mark.parametrize("batch", [ARRAYS, SINGLE], ids=["64 bits", "32 bits"])
def test_columns_of_arrays(batch):
    decided(stacked, batch, FloatType(), SCALAR_PANDAS)
    decided(listed, batch, DoubleType(), SCALAR_PANDAS)
    short = pa.record_batch({"xs": pa.array([[1.0, 2.0, 3.0], [1.0, 2.0]], batch["xs"].type)})
    compared = compare_with_worker(stacked, [short], FloatType(), SCALAR_PANDAS, kernel=True)
    assert (compared.flagged, compared.raised) == (1, 1)


def joined(a, b, c):
    x = torch.tensor(pd.concat([a, b, c], axis=1).values.astype(np.float32))
    with torch.no_grad():
        return pd.Series(ONE(x).view(-1).numpy())


def of_columns(a, b, c):
    x = torch.stack([torch.tensor(s.values, dtype=torch.float32) for s in (a, b, c)], dim=1)
    with torch.no_grad():
        return pd.Series(THREE(x).max(dim=1).values.numpy())


def sized(a, b, c):
    x = torch.FloatTensor(np.column_stack([a, b, c]))
    with torch.inference_mode():
        return pd.Series(ONE(x).view(x.size(0)).cpu().numpy())


def concatenated(a, b, c):
    parts = [torch.as_tensor(s.to_numpy()).unsqueeze(1) for s in (a, b, c)]
    with torch.no_grad():
        made = THREE(torch.cat(parts, dim=-1).to(torch.float32))
        return pd.Series((made[:, 0] * 2 - made[..., 1] / 4 + made[:, 1:].sum(dim=1)).numpy())


def masked(a, b, c):
    x = torch.tensor(np.column_stack([a, b, c])).float()
    x = torch.where(x > 0, x, torch.zeros(1)).clamp(max=1.5)
    low = (x.mean(dim=1) < 0.25) & (x[:, 0] != 0) | ~(x >= 0).all(dim=1)
    return pd.Series(torch.where(low, -x.abs().amax(dim=1), x.square()[:, 2]).numpy())


@pytest.mark.parametrize("function", [joined, of_columns, sized, concatenated])
def test_columns(function):
    decided(function, COLUMNS, FloatType(), SCALAR_PANDAS)


def test_functions_of_columns():
    compared = compare_with_worker(masked, [COLUMNS], FloatType(), SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", 1)


def as_arrays(a, b, c):
    with torch.no_grad():
        return pd.Series(list(THREE(torch.tensor(np.column_stack([a, b, c])).float()).numpy()))


def of_batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    net = ONE.eval()
    dtype = torch.float32
    for xs in batches:
        with torch.no_grad():
            yield pd.Series(net(torch.tensor(np.stack(xs.to_numpy()), dtype=dtype)).squeeze(-1).numpy())


def keeps_state(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    count = torch.zeros(1)
    for xs in batches:
        count = count + 1
        with torch.no_grad():
            yield pd.Series((ONE(torch.tensor(np.stack(xs.to_numpy())).float()) * count)[:, 0].numpy())


def test_arrays_and_batches():
    decided(as_arrays, COLUMNS, ArrayType(FloatType()), SCALAR_PANDAS)
    decided(of_batches, ARRAYS, FloatType(), SCALAR_PANDAS_ITERATOR)
    assert compare_with_worker(keeps_state, [ARRAYS], FloatType(), SCALAR_PANDAS_ITERATOR).refused == "SW361"


def make_number():
    net = ONE
    net.eval()

    def predict(inputs):
        with torch.no_grad():
            return net(torch.from_numpy(inputs).float()).numpy()

    return predict


def make_struct():
    def predict(inputs: np.ndarray) -> dict[str, np.ndarray]:
        x = torch.tensor(inputs, dtype=torch.float32)
        with torch.inference_mode():
            made = THREE(x)
            return {"label": made.argmax(1).numpy(), "most": made.max(1).values.numpy()}

    return predict


def make_array():
    device = torch.device("cpu")
    net = THREE.to(device)

    def predict(inputs):
        x = torch.tensor(inputs, dtype=torch.float32).to(device)
        with torch.no_grad():
            return net(x).cpu().numpy()

    return predict


@pytest.mark.parametrize(("make", "returns"), [
    (make_number, FloatType()), (make_struct, StructType().add("label", LongType()).add("most", FloatType())),
    (make_array, ArrayType(FloatType())),
])  # fmt: skip
@pytest.mark.parametrize("batch", [ARRAYS, SINGLE], ids=["64 bits", "32 bits"])
def test_predict_batch_udf(make, returns, batch):
    function = predict_batch_udf(make, return_type=returns, batch_size=7, input_tensor_shapes=[[3]]).func
    decided(function, batch, returns, SCALAR_PANDAS_ITERATOR)


def of_integer(n):
    return (torch.tensor([n], dtype=torch.float32) / 2).item()


def of_mixed(n):
    return torch.tensor([n, 0.5]).square().sum().item()


def as_integer(x):
    return torch.tensor([x], dtype=torch.long).item()


def as_bool(x):
    return torch.tensor([x], dtype=torch.bool).item()


def narrowed(n):
    return torch.tensor([n], dtype=torch.int32).item()


def test_numbers_of_python():
    """A float that no integer holds raises in PyTorch, and an integer becomes a 64-bit float before a 32-bit one."""
    integers = pa.record_batch({"n": pa.array([0, -3, 2**24 + 1, 2**60 + 2**36 + 1, -(2**62) - 2**38 - 1])})
    decided(of_integer, integers, DoubleType(), ARROW_BATCHED)
    decided(of_mixed, integers.slice(0, 2), DoubleType(), ARROW_BATCHED)
    floats = pa.record_batch({"x": pa.array([1.5, -1.5, 1e30, float("nan")])})
    compared = compare_with_worker(as_integer, [floats.slice(0, 2), floats], LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged, compared.raised) == ("", 1, 1, 1)
    assert compare_with_worker(as_bool, [floats], LongType(), ARROW_BATCHED).refused == "SW843"
    assert compare_with_worker(narrowed, [integers], LongType(), ARROW_BATCHED).refused == "SW843"
