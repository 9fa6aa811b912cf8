-- Computes the same UDF in both branches of a union.
SELECT id, py_branch(x) AS b FROM items WHERE k > 5 UNION ALL SELECT id, py_branch(y) AS b FROM items WHERE k < -5
