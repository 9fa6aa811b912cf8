-- Refuses a UDF that reads other rows of its batch.
SELECT id, py_ranked(k) AS r FROM items
