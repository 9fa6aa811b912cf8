"""Builds the answers other than kernels: Catalyst expressions, aggregates, worker pipelines and cascades."""
