-- Filters by a comparison with a UDF's result, which implies a bound of its argument.
SELECT id, y FROM items WHERE py_inverse(y) > 2
