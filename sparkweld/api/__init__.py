"""Contains the functions for users' programs; `sparkweld` re-exports them."""
