"""Defines the messages and the constants that the JVM and Python share; `schema.json` and `constants.json` are their source."""
