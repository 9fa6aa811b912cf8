-- Rewrites an aggregate UDF to Spark's own aggregates.
SELECT k, py_spread(x) AS w, py_present(x) AS n FROM items GROUP BY k
