"""Puts the mutant that the environment names in the place of the product, in a process of the tests."""

import os

if os.environ.get("MUTANT"):
    from tests.mutants.registry import apply

    apply(os.environ["MUTANT"])
