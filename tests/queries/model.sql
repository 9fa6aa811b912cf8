-- Evaluates a captured random forest.
SELECT id, py_leaf(x, y) AS l FROM items
