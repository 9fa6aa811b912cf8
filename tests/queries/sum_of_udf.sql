-- Sums the results of a UDF in each group.
SELECT s, sum(py_counted(k)) AS total, min(py_branch(x)) AS least FROM items GROUP BY s
