"""Converts columns of Spark to traced values and results back, as the Python worker of PySpark does."""
