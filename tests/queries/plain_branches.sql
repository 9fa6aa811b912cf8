-- Runs a plain UDF with branches and NULLs.
SELECT id, py_tier(x) AS t FROM items
