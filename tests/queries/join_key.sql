-- Joins on the result of a UDF.
SELECT i.id, o.name FROM items i JOIN kinds o ON py_counted(i.k) = o.uk
