"""Producers who speak HTTP: CloudEvents in, records of `ingest` out."""
