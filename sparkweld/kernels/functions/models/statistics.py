"""Computes linear interpolation by binary search, and weighted medians by insertion sort, one row at a time."""

from __future__ import annotations

from sparkweld.kernels.functions.models.library import score_function
from sparkweld.kernels.functions.strings.memory_access import load_f64, store_f64, word


@score_function
def interpolate(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `Interpolate`. Parameters: points, offsets of ys and slopes."""
    points = word(parameters, 0)
    ys = block + word(parameters, 8)
    slopes = block + word(parameters, 16)
    column = word(arguments, 0)
    to = word(outputs, 0)
    row = 0
    while to != 0 and row < rows:
        x = load_f64(column, 8 * row)
        low = 0  # the last point that is not above x
        high = points
        while high - low > 1:
            middle = (low + high) >> 1
            if load_f64(block, 8 * middle) <= x:
                low = middle
            else:
                high = middle
        y = load_f64(ys, 8 * low)
        if x != x:
            y = x
        elif low + 1 < points and x > load_f64(block, 8 * low):
            y = load_f64(slopes, 8 * low) * (x - load_f64(block, 8 * low)) + y
            if y != y:  # evaluated from the other point
                y = load_f64(slopes, 8 * low) * (x - load_f64(block, 8 * low + 8)) + load_f64(ys, 8 * low + 8)
                if y != y and load_f64(ys, 8 * low) == load_f64(ys, 8 * low + 8):
                    y = load_f64(ys, 8 * low)
        store_f64(to, 8 * row, y)
        row += 1
    return 0


@score_function
def weighted_median(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `WeightedMedian`. Parameters: the number of arguments. Scratch: values and weights in ascending order."""
    count = word(parameters, 0)
    weights = scratch + 8 * count
    slack = 4.0 * count * 2.220446049250313e-16
    row = 0
    while row < rows:
        k = 0
        while k < count:
            value = load_f64(word(arguments, 8 * k), 8 * row)
            at = k
            while at > 0:
                before = load_f64(scratch, 8 * at - 8)
                if not (value < before or (value == value and before != before)):
                    break
                store_f64(scratch, 8 * at, before)
                store_f64(weights, 8 * at, load_f64(weights, 8 * at - 8))
                at -= 1
            store_f64(scratch, 8 * at, value)
            store_f64(weights, 8 * at, load_f64(block, 8 * k))
            k += 1
        total = 0.0
        k = 0
        while k < count:
            total += load_f64(weights, 8 * k)
            k += 1
        half = 0.5 * total
        found = -1
        unclear = False
        near = False
        total = 0.0
        k = 0
        while k < count:
            total += load_f64(weights, 8 * k)
            if found < 0 and total >= half:
                found = k
            if k > 0 and load_f64(scratch, 8 * k) == load_f64(scratch, 8 * k - 8):
                unclear = unclear or load_f64(weights, 8 * k) != load_f64(weights, 8 * k - 8)
            away = total - half
            if away <= slack * half and -away <= slack * half:
                near = True
            k += 1
        to = word(outputs, 0)
        if to != 0:
            store_f64(to, 8 * row, load_f64(scratch, 8 * (found if found > 0 else 0)))
        to = word(outputs, 8)
        if to != 0:
            store_f64(to, 8 * row, 1.0 if unclear and near else 0.0)
        row += 1
    return 0


FUNCTIONS = (interpolate, weighted_median)
