"""Contains the functions of the sample by theme; each module collects its cases in `case`."""
