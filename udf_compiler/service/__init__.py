"""Runs the compile service: the process that answers the requests of a JVM. Start at `server`."""
