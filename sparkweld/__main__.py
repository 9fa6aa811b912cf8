"""Runs the command line: `python -m sparkweld COMMAND`."""

import sys

from sparkweld.cli import main

if __name__ == "__main__":
    sys.exit(main())
