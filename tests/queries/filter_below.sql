-- Fuses a filter by a column with the UDF above it.
SELECT id, py_branch(x) AS b FROM items WHERE k > 0 AND x IS NOT NULL
