"""Traces functions of whole groups of rows: reductions, ranks and shifted rows. Start at `frame_group`."""
