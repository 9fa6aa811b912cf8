"""Contains the passes, one a module: functions of `Program` to `Program` that return the same object when nothing changed."""
