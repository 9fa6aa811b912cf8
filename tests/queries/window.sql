-- Ranks rows by a UDF's result within groups.
SELECT * FROM (SELECT id, s, row_number() OVER (PARTITION BY s ORDER BY py_branch(x) DESC, id) AS n FROM items) WHERE n <= 2
