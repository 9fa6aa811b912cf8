"""Collects UDFs as people write them in jobs, each with input and SparkWeld's current outcome.

`python -m tests.corpus` prints the compiled functions and the table of reasons for the rest. `case` describes a case,
`tables` creates the inputs, `runner` compiles without Spark; each other module holds the cases of one theme.
"""
