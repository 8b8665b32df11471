"""A household, the six use cases of RENO and five mishaps, on the real pipeline."""
