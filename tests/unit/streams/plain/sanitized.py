"""What the sanitizers look at: batches by chance, through a native part at the path of the first argument."""

from __future__ import annotations

import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from random import Random

from streams.plain.sources import MODULE


def main() -> int:
    """How many batches of so many seconds (the second argument) were judged otherwise than by Python."""
    spec = spec_from_file_location(MODULE, sys.argv[1])
    if spec is None or spec.loader is None:
        return 1
    module = sys.modules[MODULE] = module_from_spec(spec)
    spec.loader.exec_module(module)
    from streams.plain.kernel import native, nothing_plain
    from tests.unit.streams.plain import cases

    if native() is not module:
        return 1
    random, wrong, done = Random(), 0, 0
    until = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < until:
        router, batch = cases.routers(random), cases.batch(random)
        quick = cases.judged(router, batch)
        router._plain = nothing_plain
        wrong += quick != cases.judged(router, batch)
        noise = random.randbytes(random.randrange(200))
        module.is_json(noise), module.moment(noise), module.crc32(noise), module.fingerprint(b"k", b"p", noise + b".")
        done += 1
    sys.stdout.write(f"{done} batches\n")
    return int(wrong > 0 or done == 0)


if __name__ == "__main__":
    sys.exit(main())
