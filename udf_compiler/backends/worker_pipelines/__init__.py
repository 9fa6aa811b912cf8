"""Compiles chains of UDFs that call annotated functions to pipelines for the Python worker. Start at `compile`."""
