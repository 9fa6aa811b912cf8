-- Computes one UDF beside plain columns.
SELECT id, py_clipped(x, y) AS c FROM items
