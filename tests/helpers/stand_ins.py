"""Creates a sample of each stand-in class that user code may receive, beside the real object."""

from __future__ import annotations

import base64
import binascii
import calendar
import datetime
import decimal
import functools
import hashlib
import hmac
import html
import importlib
import importlib.util
import io
import ipaddress
import json
import logging
import math
import os
import re
import socket
import struct
import traceback
import urllib.parse
import warnings
import zlib
import zoneinfo
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlparse

import catboost
import dateutil.relativedelta
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytz
import scipy.sparse
import scipy.special
import scipy.stats
import xgboost
from pyspark import Broadcast
from pyspark.ml.linalg import DenseVector
from pyspark.sql import Row, types
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, StructField, StructType
from sklearn.linear_model import LinearRegression

from sparkweld.annotations import Rows, annotate
from sparkweld.ir.ops import MakeList, StrCall
from sparkweld.ir.types import BOOL, DATE, F32, F64, I64, STR, TS, list_of, parse_type
from sparkweld.pipelines import Capture
from tests.helpers.pytorch import has_pytorch
from udf_compiler.backends.aggregates import compute, objects, reductions
from udf_compiler.backends.worker_pipelines import stand_ins as worker
from udf_compiler.eval_types.batches import Batches
from udf_compiler.frontends import arrow
from udf_compiler.frontends.arrow import batch, modules
from udf_compiler.frontends.models import loaders, matrices, output, pools, row_labels
from udf_compiler.frontends.models.estimators import find
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.traced import TracedModel
from udf_compiler.frontends.networks.tensors import Tensor
from udf_compiler.frontends.onnx import session as sessions
from udf_compiler.frontends.onnx.evaluation import Evaluation
from udf_compiler.frontends.onnx.values import Maps
from udf_compiler.frontends.pandas import datetimes, microseconds, row_counts, string_dtype, time_constants
from udf_compiler.frontends.pandas.any_form import AnyForm
from udf_compiler.frontends.pandas.apply import (
    comprehensions,
    expanded,
    frame_loops,
    frame_rows,
    positions,
    results,
    row_iterator,
    tuples,
)
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls import (
    arrays,
    categoricals,
    constructors,
    cuts,
    datetime_accessor,
    frames,
    numpy_module,
    offsets,
    pandas_,
    periods,
    re_,
    series_choices,
    vectorize,
    zoned,
)
from udf_compiler.frontends.pandas.calls import lists as list_series
from udf_compiler.frontends.pandas.calls.strings import accessor, choose, constant_arrays, convert, of_dtype, pieces
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups import (
    correlations,
    dict_rows,
    elements,
    inner_groups,
    keyed_statistics,
    lines,
    list_calls,
    listed,
    listed_times,
    made_lists,
    neighbours,
    orders,
    single_values,
    value_counts,
)
from udf_compiler.frontends.pandas.groups import results as group_results
from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in as find_stand_in
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python import (
    builtin_calls,
    byte_strings,
    data_types,
    decimal_quotients,
    decimal_texts,
    digest_calls,
    found_matches,
    hex_numbers,
    hmac_calls,
    ip_calls,
    json_values,
    library_calls,
    lists,
    maps,
    math_calls,
    nested_lists,
    patterns,
    record_parts,
    records,
    relative_times,
    row_lists,
    row_matrices,
    rows,
    strings,
    time_classes,
    undecided,
    url_calls,
    zone_classes,
    zone_tables,
    zoned_datetimes,
)
from udf_compiler.frontends.python import values as scalars
from udf_compiler.frontends.python.regions import groups, helpers, overwritten, stored
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.vectors import ConstantVector
from udf_compiler.frontends.torch import conversions, namespace, tensors
from udf_compiler.frontends.tracing import constants, exceptions
from udf_compiler.function.bytecode import Use
from udf_compiler.function.plain_data import Snapshot
from udf_compiler.rebuild import objects as rebuild
from udf_compiler.rebuild.lru_caches import Cached
from udf_compiler.rebuild.objects import Rebuilder

Sample = tuple[Any, Any]

_annotated = annotate(abs, (Rows(),), returns=Rows(), check=False)
_USE = Use("f", "f, line 1 of job.py")
#: The columns that `samples` reads.
COLUMNS = {"x": F64, "n": I64, "b": BOOL, "d": DATE, "s": STR, "v": list_of(F64), "o": parse_type("bool?")}


def _of_pytorch(read: Any) -> dict[type, list[Sample]]:
    """Returns the samples of tensors and functions of PyTorch; none without it."""
    if not has_pytorch():
        return {}
    torch = importlib.import_module("torch")
    tensor = conversions.of_array(TracedArray(read("x").loop, [read("x")]), None, "tensor")
    stacked = conversions.Stacked(list_series.stack_of(read("v").loop, read("v")), True, 0)
    return {
        tensors.TracedTensor: [(tensors.TracedTensor(tensor), torch.ones(5, dtype=torch.float64))],
        tensors.StackedTensor: [(tensors.StackedTensor(stacked), torch.ones(5, 2, dtype=torch.float64))],
        tensors.Function: [(tensors.Function(torch.relu, "relu", "torch.relu"), torch.relu)],
        namespace.Mode: [(namespace.Mode(torch.no_grad()), torch.no_grad())],
    }


def _of_onnx(loop: Any, read: Any) -> dict[type, list[Sample]]:
    """Returns the samples of sessions of ONNX Runtime; none without it."""
    if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None:
        return {}
    onnx, runtime = importlib.import_module("onnx.helper"), importlib.import_module("onnxruntime")
    info = [onnx.make_tensor_value_info(name, 1, [None, 1]) for name in "xy"]
    graph = onnx.make_graph([onnx.make_node("Neg", ["x"], ["y"])], "g", info[:1], info[1:])
    data = onnx.make_model(graph, opset_imports=[onnx.make_opsetid("", 15)], ir_version=8).SerializeToString()
    model = sessions.Model.of(data)
    tensor = Tensor(loop, [loop.cast(read("x"), F32)], (1,))
    [shown] = model.session.run(None, {"x": np.ones((1, 1), np.float32)})
    results = sessions.Results(Evaluation(model.graph, {"x": tensor}, loop, "run"), {"y": shown})
    return {
        sessions.TracedSession: [(sessions.TracedSession(model), model.session)],
        sessions.SessionOptions: [(sessions.SessionOptions(runtime.SessionOptions), runtime.SessionOptions())],
        sessions.NodeArg: [(sessions.NodeArg(model.session.get_inputs()[0]), model.session.get_inputs()[0])],
        sessions.TracedMaps: [(sessions.TracedMaps(Maps((0,), tensor)), [{0: 1.0}])],
        sessions.Results: [(results, [shown])],
    }


def samples(loop: Any) -> dict[type, list[Sample]]:
    """Returns for each stand-in class pairs of a stand-in and the object that it represents."""
    read = loop.read
    x, n, s = (TracedSeries(loop, read(name), dtype) for name, dtype in (("x", float), ("n", np.int64), ("x", float)))
    text, real_text = text_series(loop, read("s")), pd.Series(["a,b"], dtype=object)
    moment = datetimes.new(loop, read("n"), datetimes.DATETIMES)
    span = datetimes.new(loop, read("n"), datetimes.TIMEDELTAS)
    coarse = datetimes.new(loop, read("n"), microseconds.MICROSECONDS)
    series, times, spans = pd.Series([1.5]), pd.Series([pd.Timestamp(0)]), pd.Series([pd.Timedelta(0)])
    frame, real_frame = TracedFrame(loop, {"x": x, "n": n}), pd.DataFrame({"x": [1.5], "n": [1]})
    by_n = inner_groups.Keys(FrameGroup(loop), frame, frame, ("n",), read("n"), True, True, "groupby", (read("n").id,))
    array, real_array = TracedArray(loop, (read("x"),)), np.array([1.5])
    column, real_column = arrow.TracedArrow(loop, read("x")), pa.array([1.5])
    record, real_record = arrow.TracedBatch(loop, [("x", column)]), pa.record_batch({"x": real_column})
    cut, real_cut = cuts.cut(x, [0, 1, 2], labels=["a", "b"]), pd.cut(series, [0, 1, 2], labels=["a", "b"])
    period, real_period = periods.to_period(moment, "M"), times.dt.to_period("M")
    zone, real_zone = zoned.in_utc(moment), times.dt.tz_localize("UTC")
    vectors, real_vectors = TracedSeries(loop, read("v"), object, ARRAY_OBJECTS), pd.Series([np.array([1.5])])
    split = pieces.split(text, ",")
    pattern = re.compile("(?P<a>a)")
    reduced = GroupScalar(loop, read("x"))
    counts = value_counts.ValueCounts(FrameGroup(loop), x)
    column_of_group = listed.ListedColumn(listed.Form({"x": x}, True), lists.of_list(read("v")), None)
    frame_of_group = listed.ListedFrame(listed.Form({"x": x}, True), (column_of_group,), scalars.of_value(read("n")))
    real_match = pattern.search("a")
    names = {"float": "x", "int": "n", "bool": "b", "date": "d", "str": "s"}
    scalar = {kind: scalars.of_value(read(name)) for kind, name in names.items()}
    day = datetime.timedelta(days=3)
    schema = StructType([StructField("x", StringType())])
    numbers = scalars.of_value(read("v"))
    words = scalars.TracedScalar("list<str>", loop.emit(StrCall("split", (",", -1)), read("s")))
    ends = loop.emit(MakeList(list_of(I64)), read("n"))
    table = stored.Table(numbers, lists.of_list(ends), lists.of_list(ends))
    rebuilder = Rebuilder(find_stand_in)
    linear = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    model = TracedModel(find(linear, lambda held: held))
    annotated = worker.StandIns(Capture("f"))
    made: dict[type, list[Sample]] = {
        TracedSeries: [(x, series), (text, real_text), (moment, times), (vectors, real_vectors)],
        AnyForm: [(AnyForm.of_column(read("n"), lambda state: n), real_frame["n"])],
        TracedFrame: [(frame, real_frame)],
        TracedArray: [(array, real_array), (TracedArray(loop, (read("x"),) * 2, 2), np.ones((1, 2)))],
        scalars.TracedScalar: [
            (scalar["float"], 1.5), (scalar["int"], 3), (scalar["bool"], True), (scalar["str"], "a"),
            (scalars.TracedScalar("decimal2", read("n")), Decimal("1.50")),
            (scalar["date"], datetime.date(2024, 1, 1)), (scalars.TracedScalar("timedelta", read("n")), day),
            (scalars.TracedScalar("datetime", loop.cast(read("n"), TS)), datetime.datetime(2024, 1, 1)),
            (scalars.TracedScalar("float", read("x"), numpy="float64"), np.float64(1)),
            (scalars.of_value(read("v")), [1.5]), (scalars.TracedScalar("list<f64>", read("v"), numpy="ndarray"), real_array),
        ],
        row_matrices.RowMatrix: [
            (row_matrices.RowMatrix([scalars.TracedScalar("list<f64>", read("v"), numpy="ndarray")]), np.array([[1.5]])),
        ],
        patterns.TracedMatch: [(patterns.TracedMatch(read("s"), pattern, "search", "re.search"), real_match)],
        byte_strings.TracedBytes: [(scalar["str"].encode(), b"a")],
        decimal_quotients.Quotient: [(decimal_quotients.Quotient(scalar["int"], scalar["int"]), Decimal("1.5"))],
        hex_numbers.HexNumber: [(hex_numbers.HexNumber(read("s")), 2**70)],
        digest_calls.TracedHash: [(digest_calls.TracedHash("md5"), hashlib.md5(usedforsecurity=False))],
        json_values.TracedJson: [(json_values.TracedJson(read("s")), "a")],
        json_values.TracedMembers: [(json_values.TracedMembers(*[scalars.of_value(read("v"))] * 2), {1.5: 1.5}.items())],
        json_values.TracedTexts: [(json_values.TracedTexts(scalars.of_value(read("v"))), {"a": 1.5}.values())],
        url_calls.TracedUrl: [(url_calls.TracedUrl(read("s"), type(real)), real) for real in map(urlparse, ("a",))],
        relative_times.RelativeDelta: [
            (relative_times.RelativeDelta(scalar["int"]), dateutil.relativedelta.relativedelta(months=3)),
        ],
        url_calls.TracedQuery: [(url_calls.TracedQuery(read("s"), "0"), {"a": ["b"]})],
        **{
            type(find_stand_in(m)): [(find_stand_in(m), m)]
            for m in (
                *(hashlib, zlib, binascii, base64, html, json, urllib, urllib.parse, dateutil.relativedelta, decimal),
                *(zoneinfo, pytz, hmac, ipaddress, struct, socket),
            )
        },
        hmac_calls.TracedHmac: [(hmac_calls.TracedHmac(b"key", "md5"), hmac.new(b"key", digestmod="md5"))],
        decimal_texts.DecimalText: [(decimal_texts.DecimalText(scalar["str"]), decimal.Decimal("1.5"))],
        decimal_texts.DecimalFloat: [(decimal_texts.DecimalFloat(scalar["float"]), decimal.Decimal(1.5))],
        ip_calls.TracedAddress: [(ip_calls.TracedAddress(read("n"), read("s")), ipaddress.IPv4Address("10.0.0.1"))],
        ip_calls.NetworkConstant: [(ip_calls.NetworkConstant(net), net) for net in (ipaddress.ip_network("10.0.0.0/8"),)],
        zoned_datetimes.ZoneConstant: [
            (zone_classes.constant_of(zone), zone) for zone in (zoneinfo.ZoneInfo("Europe/Berlin"), pytz.timezone("Asia/Tokyo"))
        ],
        zoned_datetimes.TracedZoned: [
            (zoned_datetimes.of_local(read("n"), zone_tables.Zone(pytz.FixedOffset(60), in_pytz=True)),
             datetime.datetime(2024, 1, 1, tzinfo=pytz.FixedOffset(60))),
        ],
        patterns.TracedFound: [(patterns.PatternConstant(pattern).findall(scalar["str"]), ["a"])],
        found_matches.FoundMatch: [(found_matches.FoundMatch(["0"], [scalar["str"]]), real_match)],
        found_matches.FoundMatches: [(patterns.PatternConstant(pattern).finditer(scalar["str"]), [real_match])],
        patterns.PatternConstant: [(patterns.PatternConstant(pattern), pattern)],
        ConstantVector: [(ConstantVector(np.array([0.5, 2.0])), DenseVector([0.5, 2.0]))],
        builtin_calls.TracedRange: [(builtin_calls.TracedRange(0, scalar["int"], 1), range(3))],
        strings.TracedPieces: [(scalar["str"].split(","), ["a"])],
        results.RowSeries: [(results.RowSeries(loop.optional(read("x"), read("b")), frozenset({"int", "None"})), series)],
        results.ListSeries: [(results.ListSeries(read("v"), frozenset({"list<f64>"})), pd.Series([[1.5]]))],
        rows.TracedStruct: [(rows.TracedStruct(["x"], [lambda: scalar["float"]]), Row(x=1.5))],
        maps.TracedMap: [(maps.TracedMap(words, numbers), {"a": 1.5})],
        maps.TracedItems: [(maps.TracedItems(maps.TracedMap(words, numbers)), {"a": 1.5}.items())],
        nested_lists.TracedLists: [(nested_lists.TracedLists(words, *[lists.of_list(ends)] * 2), [["a"]])],
        row_lists.TracedRows: [(row_lists.TracedRows(["x"], [numbers]), [Row(x=1.5)])],
        row_lists.TracedPairs: [(row_lists.TracedPairs(("key", "value"), [words, numbers]), [("a", 1.5)])],
        records.TracedRecord: [(records.TracedRecord(["a"], [scalar["float"]]), {"a": 1.5})],
        records.TracedRecords: [
            (records.TracedRecords(records.TUPLE, ("0", "1"), [words, numbers], [None, None], None), [("a", 1.5)]),
        ],
        row_lists.TracedElement: [(row_lists.TracedElement(["x"], [scalar["float"]]), Row(x=1.5))],
        undecided.Undecided: [(undecided.Undecided(scalar["bool"], scalar["float"]), 1.5)],
        comprehensions.Mapped: [(comprehensions.map_(abs, x), map(abs, series))],
        comprehensions.MappedList: [(comprehensions.MappedList(comprehensions.map_(abs, x)), [*map(abs, series)])],
        row_iterator.Positions: [(row_iterator.Positions(loop), range(1))],
        positions.Position: [(positions.Position(loop), 0)],
        positions.Located: [(positions.Located(x), series.iloc)],
        frame_loops.Located: [(frame_loops.Located(frame, "iloc"), real_frame.iloc)],
        comprehensions.Values: [(comprehensions.Values(x), series.tolist())],
        row_iterator.Rows: [(comprehensions.rows_of([x], single=False), zip(series))],
        helpers.Helper: [(helpers.Helper(Use.__init__, lambda function, args, kwargs: function(*args, **kwargs)), Use.__init__)],
        exceptions.ErrorText: [(exceptions.ErrorText("a"), "a")],
        expanded.RowOfFrame: [(expanded.RowOfFrame({"x": scalar["float"]}), pd.Series({"x": 1.5}))],
        dict_rows.DictRows: [(dict_rows.DictRows(frame), real_frame.to_dict("records"))],
        tuples.TracedTuples: [(tuples.TracedTuples({0: x}), pd.Series([(1.5,)]))],
        frame_rows.TracedRow: [(frame_rows.TracedRow({"x": lambda: scalar["float"]}), pd.Series({"x": 1.5}))],
        choose.TracedTexts: [(choose.TracedTexts(text), np.array(["a"], dtype=object))],
        convert.TracedFilled: [(convert.TracedFilled(text, 0), pd.Series(["a", 0], dtype=object))],
        constant_arrays.ConstantTexts: [
            (constant_arrays.ConstantTexts(["a"], np.dtype(object)), np.array(["a"], dtype=object)),
        ],
        accessor.StrAccessor: [(accessor.StrAccessor(text), real_text.str)],
        of_dtype.TextsOfDtype: [(of_dtype.TextsOfDtype(string_dtype.new(text, read("s"))), real_text.astype("string").str)],
        pieces.TracedLists: [(split, real_text.str.split(","))],
        pieces.ListAccessor: [(split.str, real_text.str.split(",").str)],
        pieces.TracedColumns: [(pieces.split(text, ",", expand=True), real_text.str.split(",", expand=True))],
        list_series.Accessor: [(list_series.Accessor(vectors), real_vectors.str)],
        list_series.Rows: [
            (list_series.Rows(vectors, True), real_vectors.tolist()), (list_series.Rows(vectors, False), real_vectors.values),
        ],
        list_series.Stack: [(list_series.Stack(loop, read("v"), ()), np.stack(real_vectors))],
        series_choices.Loc: [(series_choices.Loc(x), series.loc)],
        frames.Loc: [(frames.Loc(frame), real_frame.loc)],
        offsets.Offset: [(offsets.Offset(pd.offsets.MonthEnd()), pd.offsets.MonthEnd())],
        type(offsets.OFFSETS): [(offsets.OFFSETS, pd.offsets)],
        arrays.TracedRows: [(arrays.TracedRows(array), np.ones((2, 1)))],
        arrays._Shape: [(arrays._Shape(2), (1, 2))],
        datetime_accessor.DtAccessor: [(datetime_accessor.DtAccessor(moment), times.dt),
            (datetime_accessor.DtAccessor(span), spans.dt)],
        type(coarse.dt): [(coarse.dt, times.astype("datetime64[us]").dt)],
        series_choices.KeptElements: [(x[x > 1], series[series > 1])],
        row_counts.RowCount: [(row_counts.row_count(loop, "len()"), 1)],
        type(find_stand_in(logging.root)): [(find_stand_in(logging.root), logging.root)],
        **{type(find_stand_in(m)): [(find_stand_in(m), m)] for m in (logging, warnings, traceback)},
        cuts.TracedCut: [(cut, real_cut)],
        cuts._Cat: [(cuts._Cat(cut), real_cut.cat)],
        periods.TracedPeriods: [(period, real_period)],
        periods.PeriodAccessor: [(periods.PeriodAccessor(period), real_period.dt)],
        zoned.TracedZoned: [(zone, real_zone)],
        zoned.ZonedAccessor: [(zoned.ZonedAccessor(zone), real_zone.dt)],
        record_parts.ListRow: [(record_parts.ListRow([scalar["float"]]), [1.5])],
        groups.Groups: [(groups.Groups(words, words, numbers), {"a": [1.5]})],
        groups.Bucket: [(groups.Bucket(SimpleNamespace(log=groups.Groups(words, words, numbers)), "a"), [1.5])],
        stored.Cells: [(stored.Cells(numbers), [1.5])],
        stored.Table: [(table, [[1.5]])],
        stored.Line: [(stored.Line(SimpleNamespace(value=table), scalar["int"], scalar["int"]), [1.5])],
        overwritten.Overwritten: [(overwritten.Overwritten(numbers, numbers), [1.5])],
        listed_times.RowTime: [(listed_times.RowTime(scalar["int"]), pd.Timestamp(3))],
        listed_times.RowSpan: [(listed_times.RowSpan(scalar["int"]), pd.Timedelta(3))],
        listed.ListedColumn: [(column_of_group, series)],
        listed.ListedFrame: [(frame_of_group, real_frame[["x"]])],
        listed.Places: [(listed.Places(column_of_group), series.iloc), (listed.Places(frame_of_group), real_frame[["x"]].iloc)],
        listed.ListedRows: [(listed.ListedRows(frame_of_group, listed.TUPLE, ("x",)), zip([1.5], strict=True))],
        listed.ListedTuples: [(listed.ListedTuples((column_of_group,), single=True), zip([1.5], strict=True))],
        listed.ListedRow: [
            (listed.ListedRow(frame_of_group, scalar["int"], listed.ITERROWS, ()), real_frame[["x"]].iloc[0]),
        ],
        listed.Unlabelled: [(listed.Unlabelled(), 0)],
        group_results.GroupList: [(group_results.GroupList(read("v")), [1.5])],
        group_results.GroupSet: [(group_results.GroupSet(read("v"), "set"), {1.5})],
        made_lists.DictGet: [(made_lists.DictGet(group_results.GroupDict(read("v"), read("v"))), {1.5: 1.5}.get)],
        group_results.GroupDict: [(group_results.GroupDict(read("v"), read("v")), {1.5: 1.5})],
        group_results.GroupRecords: [
            (group_results.GroupRecords(records.Records("tuple", ("0",), (("list<f64>", False),)), [read("v")]), [(1.5,)]),
        ],
        elements.GroupRange: [(elements.GroupRange((0, reduced, 2)), range(0, 2, 2))],
        list_calls.Distinct: [(list_calls.Distinct(FrameGroup(loop), group_results.GroupList(read("v"))), {1.5})],
        GroupScalar: [(reduced, np.float64(1)), (GroupScalar(loop, read("n"), weak=True), 1)],
        correlations.Matrix: [(correlations.Matrix(reduced), np.ones((2, 2))), (correlations.Matrix(reduced, 0), np.ones(2))],
        lines.Line: [(lines.Line(reduced, reduced), np.ones(2))],
        value_counts.ValueCounts: [(counts, series.value_counts())],
        value_counts.CountsByValue: [(value_counts.CountsByValue(FrameGroup(loop), x), series.value_counts().sort_index())],
        value_counts.CountedValues: [(value_counts.CountedValues(counts), series.value_counts().index)],
        value_counts._First: [(value_counts._First(counts), series.value_counts().iloc)],
        single_values.GroupSpan: [(single_values.GroupSpan(read("n")), pd.Timedelta(1, "s"))],
        elements.GroupElement: [
            (elements.GroupElement(text, read("s")), "a"),
            (elements.GroupElement(TracedSeries(loop, read("d"), object, DATES), read("d")), datetime.date(2024, 1, 1)),
        ],
        elements.Iloc: [
            (elements.Iloc(FrameGroup(loop), x), series.iloc), (elements.Iloc(FrameGroup(loop), frame), real_frame.iloc),
        ],
        elements.Places: [
            (elements.Places(0, reduced, np.ndarray), np.arange(2)), (elements.Places(0, reduced, range), range(2)),
        ],
        orders.Quantiles: [(orders.Quantiles({0.5: reduced}), pd.Series([1.5], index=[0.5]))],
        orders.QuantileArray: [(orders.QuantileArray([reduced]), np.ones(1))],
        elements.Row: [(elements.Row(frame, functools.partial(elements.element, FrameGroup(loop)), 0), real_frame.iloc[0])],
        elements.FrameLoc: [(elements.FrameLoc(FrameGroup(loop), frame), real_frame.loc)],
        inner_groups.Split: [
            (inner_groups.Split(by_n, None), real_frame.groupby("n")),
            (inner_groups.Split(by_n, "x"), real_frame.groupby("n")["x"]),
        ],
        keyed_statistics.IndexOfKeys: [
            (keyed_statistics.IndexOfKeys(keyed_statistics.PerKey(by_n, frame, "x")), real_frame.groupby("n")["x"].sum().index),
        ],
        keyed_statistics.PerKey: [
            (keyed_statistics.PerKey(by_n, frame, "x"), real_frame.groupby("n")["x"].sum()),
            (keyed_statistics.PerKey(by_n, frame, ["x"]), real_frame.groupby("n")[["x"]].sum()),
        ],
        neighbours._Windows: [(neighbours._Windows(FrameGroup(loop), x, "rolling", (2, 2)), series.rolling(2))],
        neighbours._Weighted: [(neighbours._Weighted(FrameGroup(loop), x, 5.5, 1, True), series.ewm(5.5))],
        reductions.GroupPart: [(reductions.GroupPart(x, read("b")), series)],
        objects.ObjectBools: [(objects.ObjectBools(loop, read("o"), "o"), pd.Series([True, None]))],
        compute.PythonScalar: [(compute.PythonScalar(column), 1.5)],
        row_labels.RowLabels: [
            (row_labels.RowLabels(scalars.of_value(read("s")), 1, True), np.array(["a"], object)),
            (row_labels.RowLabels(scalars.of_value(read("s")), 2, False), np.array([["a"]])),
        ],
        output.TracedLabels: [(output.TracedLabels(choose.TracedTexts(text)), np.array([["a"]], object))],
        output.TracedSparse: [(output.TracedSparse(Features(loop, (read("x"),))), scipy.sparse.csr_matrix((1, 1)))],
        pools.TracedPool: [
            (pools.TracedPool(pools.Pool(Features(loop, (read("x"),)), frozenset())), catboost.Pool(np.ones((1, 1)))),
        ],
        matrices.TracedMatrix: [
            (matrices.TracedMatrix(matrices.Matrix(Features(loop, (read("x"),)))), xgboost.DMatrix(np.ones((1, 1)))),
        ],
        **_of_onnx(loop, read),
        **_of_pytorch(read),
        arrow.TracedArrow: [(column, real_column)],
        arrow.lists.TracedLists: [(arrow.lists_of(loop, read("v")), pa.array([[1.5]]))],
        arrow.TracedStructArray: [
            (arrow.TracedStructArray(loop, [("x", column)]), pa.StructArray.from_arrays([real_column], ["x"])),
        ],
        arrow.TracedBatch: [(record, real_record)],
        batch._Schema: [(record.schema, real_record.schema)],
        modules.Function: [(modules.FUNCTIONS["add"], pc.add)],
        type(modules.COMPUTE): [(modules.COMPUTE, pc)],
        type(modules.ARROW): [(modules.ARROW, pa)],
        constructors.Index: [(constructors.Index(loop), series.index)],
        pandas_.Function: [(find_stand_in(pd.isna), pd.isna)],
        pandas_.TimeFunction: [(find_stand_in(pd.to_datetime), pd.to_datetime)],
        type(pandas_.PANDAS): [(pandas_.PANDAS, pd)],
        numpy_module.Function: [(find_stand_in(np.where), np.where)],
        numpy_module.ColumnStacker: [(find_stand_in(np.c_), np.c_)],
        type(numpy_module.NUMPY): [(numpy_module.NUMPY, np)],
        categoricals.Dtype: [(categoricals.Dtype(pd.CategoricalDtype(["a"])), pd.CategoricalDtype(["a"]))],
        vectorize.Vectorize: [(vectorize.Vectorize(abs), np.vectorize(abs))],
        type(time_classes.MODULE): [(time_classes.MODULE, datetime)],
        type(re_.RE): [(re_.RE, re)],
        type(math_calls.MATH): [(math_calls.MATH, math)],
        math_calls.MathFunction: [(find_stand_in(math.sqrt), math.sqrt)],
        constants.ConstantSet: [(constants.ConstantSet({"a"}), {"a"})],
        constants.PandasConstant: [
            (constants.PandasConstant(series), series), (constants.PandasConstant(pd.Index([1])), pd.Index([1])),
        ],
        constants.FrameConstant: [(constants.FrameConstant(pd.DataFrame({"x": [1]})), pd.DataFrame({"x": [1]}))],
        constants._Method: [(constants.PandasConstant(series).sum, series.sum)],
        data_types.TypeConstant: [
            (data_types.constant_of(x, lambda held: held), x) for x in (DoubleType(), schema["x"], ArrayType(LongType()))
        ],
        data_types.SchemaConstant: [(data_types.constant_of(schema, lambda held: held), schema)],
        type(data_types._MODULE): [(data_types._MODULE, types)],
        constants._Indexer: [(constants.PandasConstant(series).loc, series.loc)],
        time_constants.TimeConstant: [
            (time_constants.TimeConstant(t), t) for t in (pd.Timestamp(0), pd.Timedelta(5), pd.NaT)
        ],
        Batches: [(Batches([x], [loop], ""), (b for b in [series]))],
        Cached: [(Cached(abs, _USE, Snapshot()), functools.lru_cache(abs))],
        rebuild.ModuleView: [(rebuild.ModuleView(rebuilder, functools), functools)],
        rebuild.BroadcastView: [(rebuild.BroadcastView(rebuilder, object.__new__(Broadcast)), object.__new__(Broadcast))],
        worker.Library: [(annotated.find(m), m) for m in (scipy.special, np)],
        worker.BlackBoxFunction: [(annotated.find(f), f) for f in (scipy.special.erf, html.escape, np.sinc, _annotated)],
        worker.Holder: [(annotated.holder(rebuilder, "held"), rebuilder)],
        worker.CallableHolder: [(annotated.find(scipy.stats).norm, scipy.stats.norm)],
        Distinct: [(Distinct(scalars.of_value(read("v"))), {1.5})],
        library_calls.Collected: [(library_calls.Collected(), 0)],
        library_calls.Day: [(library_calls.Day(), calendar.monthrange(2024, 1)[0])],
        TracedModel: [(model, linear)],
        loaders.Unloaded: [(loaders.Unloaded(xgboost.Booster, (), {}, lambda held: held), xgboost.Booster())],
        loaders.OpenFile: [(loaders.OpenFile("f"), io.BufferedReader(io.BytesIO(b"")))],
        loaders.Memory: [(loaders.Memory(b"a"), io.BytesIO(b"a"))],
        loaders.ModuleStandIn: [(loaders.module(os), os), (loaders.module(importlib.import_module("posixpath")), os.path)],
    }  # fmt: skip
    return made
