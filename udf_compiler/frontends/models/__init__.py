"""Compiles fitted models that user functions capture. Start at `estimators`."""
