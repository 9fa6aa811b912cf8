-- Chains string UDFs.
SELECT id, py_shout(py_first_part(s)) AS t FROM items
