"""What the sanitizers look at: batches and indexes by chance, through the native part that the first argument names."""

from __future__ import annotations

import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from random import Random
from typing import Any

from streams.native.kernel import nothing_plain
from streams.native.sources import MODULE, native
from tests.unit.fakes import NOW
from tests.unit.streams.native import cases, tables

#: Texts that end where more is expected.
ENDS = (
    b'"', b'"\\', b'"\\u', b'"\\u00', b'"\\ud83d', b'"\\ud83d\\', b'"\\ud83d\\u', b'"\\ud83d\\ude0', b'"\xc3',
    b'"\xe0\xa0', b'"\xf0\x9f\x98', b"-", b"1.", b"1e", b"1e+", b"t", b"nul", b"[", b"[1", b"[1,", b'{"a"',
    b'{"a":', b'{"a":1,', b"",
)  # fmt: skip


def try_parts(module: Any, random: Random) -> None:
    """Texts that end anywhere, and are damaged anywhere."""
    said = cases.attributes(random, "acct", 1)
    for text in (cases.structured(random, said), cases.moment(random, NOW).encode(), random.randbytes(300)):
        for whole in (text, cases.mutated(random, text)):
            cut = whole[: random.randrange(len(whole) + 1)]
            for part in ("crc32", "murmur2", "moment", "is_json", "is_structured"):
                getattr(module, part)(cut)
            module.fingerprint(b"k", b"p", cut + b".")
    for text in ENDS:
        module.is_json(text), module.is_structured(b'{"id":' + text), module.is_structured(b'{"x":' + text)


def main() -> int:
    """How many batches of so many seconds (the second argument) were judged otherwise than by Python."""
    spec = spec_from_file_location(MODULE, sys.argv[1])
    if spec is None or spec.loader is None:
        return 1
    module = sys.modules[MODULE] = module_from_spec(spec)
    spec.loader.exec_module(module)
    if native() is not module:
        return 1
    seed = time.time_ns()
    random, wrong, done = Random(seed), 0, 0
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    until = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < until:
        router, batch = cases.routers(random), cases.batch(random)
        quick = cases.judged(router, batch)
        router._plain = nothing_plain
        wrong += quick != cases.judged(router, batch)
        wrong += tables.differences(module, random)
        try_parts(module, random)
        done += 1
    sys.stdout.write(f"{done} batches\n")
    return int(wrong > 0 or done == 0)


if __name__ == "__main__":
    sys.exit(main())
