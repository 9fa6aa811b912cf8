-- Selects the first rows by a model's prediction.
SELECT id, py_leaf(x, y) AS l FROM items ORDER BY l DESC, id LIMIT 10
