"""Translates Catalyst expressions to IR. Start at `expressions`."""
