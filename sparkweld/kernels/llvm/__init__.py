"""Lowers Python functions and scalar arithmetic to LLVM, and optimises LLVM modules."""
