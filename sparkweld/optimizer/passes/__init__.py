"""The passes, one a module: `Program` to `Program`, the same object when nothing changed."""
