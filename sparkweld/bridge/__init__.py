"""Connects Python to the JVM: the jar as a file, `java` as a process, and py4j as a live connection."""
