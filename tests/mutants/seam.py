"""How a mutant takes the place of a part of the product, in this process only."""

from __future__ import annotations


def replace(owner: object, **parts: object) -> None:
    """Put these in the place of the parts of a class or module that have their names."""
    for name, part in parts.items():
        if not hasattr(owner, name):
            raise AttributeError(f"{owner}: no {name}: the mutant is out of date")
        setattr(owner, name, part)
