-- Removes duplicates of a UDF's results.
SELECT DISTINCT py_month(d) AS m, py_below(y) AS b FROM items
