"""Translates functions, expressions and models to IR, one package per source language or library."""
