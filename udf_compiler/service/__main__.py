"""Runs the compile service: `python -m udf_compiler.service`."""

from udf_compiler.service.server import main

if __name__ == "__main__":
    main()
