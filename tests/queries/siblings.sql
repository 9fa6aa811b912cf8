-- Runs UDFs of different kinds (pandas, iterator, Arrow, plain) over one scan.
SELECT id, py_clipped(x, y) AS c, py_rounded(x) AS r, py_length(s) AS l, py_words(s) AS w FROM items
