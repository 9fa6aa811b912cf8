-- Groups by the result of a UDF and aggregates with Spark's own functions.
SELECT py_tier(x) AS t, count(*) AS n, max(y) AS m FROM items GROUP BY py_tier(x)
