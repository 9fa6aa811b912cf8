-- Selects the first rows by a UDF's result.
SELECT id, py_clipped(x, y) AS c FROM items WHERE x IS NOT NULL ORDER BY c DESC, id LIMIT 10
