"""UDFs as people write them in jobs, each with input, and what SparkWeld makes of it today.

`python -m tests.corpus` prints what is compiled and the table of reasons for the rest; `case` describes a case, `tables`
makes the inputs, `runner` compiles without Spark, and the other modules hold the cases, one theme each.
"""
