-- Joins the rows that a UDF over the smaller table selects.
SELECT id, name FROM items JOIN kinds ON k = uk WHERE py_branch(w) > 0
