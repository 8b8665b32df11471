"""The search index: which records of `ingest` and `outcomes` name an event, an account or a device."""
