"""Replaces the fitted models of a payload by certified cascades and rankings, or by the full models."""
