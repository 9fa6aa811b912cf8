-- Compares a UDF's result with a scalar subquery.
SELECT id FROM items WHERE py_clipped(x, y) > (SELECT max(w) FROM kinds)
