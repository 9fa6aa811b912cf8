-- Compiles one UDF beside another that is refused.
SELECT id, py_ranked(k) AS r, py_clipped(x, y) AS c FROM items
