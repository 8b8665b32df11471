"""Deliberately wrong variants of the product: each must be caught by the test that it names (see README.md)."""
