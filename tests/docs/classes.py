"""Who runs the commands of the pages: each belongs to exactly one class, by its program."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal

from tests.docs.blocks import Block, commands, program

Class = Literal["page", "make", "cluster", "image", "producer", "mutant"]

#: What `tests/e2e/test_pages.py` runs as it stands there, against a running lockstep.
_PAGE: Final = (
    "lockstep", "curl", "python3", "openssl", "export", "mkdir", "cp", "cat", "sed", "grep", "sleep", "wait", "for",
    "until", "",
)  # fmt: skip
PROGRAMS: Final[dict[str, Class]] = {
    **dict.fromkeys(_PAGE, "page"),
    "make": "make",  # targets of their own: `make test` or CI runs the short ones, the long ones run by name
    "kubectl": "cluster",  # `make chart-e2e`
    "helm": "cluster",
    "docker": "image",  # `make image-test` builds from the same Dockerfile, without Docker
    "npm": "producer",  # tests/e2e/test_node_producer.py
    "node": "producer",
    "pytest": "mutant",  # tests/mutants/test_mutants.py
}


def classes(block: Block) -> set[Class]:
    """The classes of a block's commands. Raises KeyError for one that has none."""
    return {PROGRAMS[PurePosixPath(program(command)).name] for command in commands(block.text)}
