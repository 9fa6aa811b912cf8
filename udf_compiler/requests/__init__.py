"""Answers each kind of compile request. Start at `pipeline`."""
