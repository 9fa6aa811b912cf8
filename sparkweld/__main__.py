"""Runs the command line: `python -m sparkweld COMMAND`."""

import os
import sys

#: Commands that import the user's modules, and so need the current folder on the import path.
_OF_USERS = ("lint", "annotations")


def leave_current_folder() -> None:
    """Removes the current folder from the import path, where `python -m` puts it: in /tmp anybody's `json.py` would run."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if sys.path and sys.path[0] == os.getcwd() != home and sys.argv[1:2] not in [[command] for command in _OF_USERS]:
        del sys.path[0]


if __name__ == "__main__":
    leave_current_folder()
    from sparkweld.cli.main import main

    sys.exit(main())
