-- Runs a plain UDF that divides, where the divisor is not zero.
SELECT id, py_inverse(y) AS i FROM items
