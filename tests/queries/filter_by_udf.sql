-- Filters by a boolean UDF and computes another for the rows that pass.
SELECT id, py_shout(s) AS t FROM items WHERE py_below(x)
