-- Fuses a chain of UDFs with the expressions between them.
SELECT id, py_branch(py_clipped(x, y) * 2 + y) AS b FROM items
