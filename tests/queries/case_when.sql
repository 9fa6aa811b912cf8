-- Calls a UDF in one branch of CASE, below which Spark evaluates it for all rows.
SELECT id, CASE WHEN k > 0 THEN py_branch(x) ELSE 1.0 END AS v FROM items
