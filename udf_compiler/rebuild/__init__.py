"""Proves that a function is pure, and rebuilds it with stand-ins for its libraries. Start at `purity`, then `objects`."""
