-- Repeats each row above a UDF.
SELECT id, py_branch(x) AS b, explode(array(1, 2)) AS e FROM items
