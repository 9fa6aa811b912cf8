"""The calls for users' own programs; `sparkweld` re-exports them."""
