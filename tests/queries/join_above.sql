-- Computes a UDF over columns of both sides of a join.
SELECT id, name, py_clipped(x, w) AS c FROM items JOIN kinds ON k = uk
