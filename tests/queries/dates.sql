-- Computes the month of dates with NULLs.
SELECT id, py_month(d) AS m FROM items
