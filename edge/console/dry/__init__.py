"""Dry runs: the product's own stages `route` and `notify` on records in memory; nothing leaves."""
