"""Generates the native code of a program: its row loop, driver and LLVM module. Start at `emit`, then `llvm_module`."""
