"""Both clients have the same rules: what one of them takes for a repeat, or for a reason to stop, so does the other."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

from lockstep_client.rules import MOST_S, Backoff, Closed, Refused, Seen

from tests.unit.fakes import ROOT

CLIENT = ROOT / "clients" / "javascript" / "lockstep.mjs"
NAMES = (
    "", "going-away", "protocol-error", "malformed-message", "malformed-cursor", "malformed-body", "bad-token",
    "unknown-device", "hello-timeout", "replaced", "resync-required", "unavailable", "overloaded", "wrong-device",
    "too-many-requests", "internal", "of a later release",
)  # fmt: skip
CODES = (
    1000, 1001, 1002, 1003, 1006, 1007, 1009, 1011, 4399, 4400, 4401, 4404, 4408, 4409, 4410, 4429, 4499, 4500, 4503,
)  # fmt: skip
STATUSES = (400, 401, 403, 404, 408, 410, 413, 429, 500, 502, 503)
TYPES = (*(f"urn:lockstep:problem:{name}" for name in NAMES), "about:blank", "")
SCRIPT = """
import { readFileSync } from "node:fs";
import { Backoff, Closed, Refused, Seen, storedCursors } from "%s";
const { closed, refused, items, chances } = JSON.parse(readFileSync(0, "utf8"));
const seen = new Seen(), numbers = chances.values();
const backoff = new Backoff(() => numbers.next().value);
const held = new Map();
const storage = { getItem: (key) => held.get(key) ?? null, setItem: (key, text) => held.set(key, text) };
const cursors = storedCursors("tv", storage);
const stored = [cursors.load()];
cursors.save("newer");
stored.push(cursors.load(), [...held.keys()]);
console.log(JSON.stringify({
  stored,
  closed: closed.map(([code, error]) => new Closed(code, { error }).cure),
  refused: refused.map(([status, type]) => new Refused(status, { type }).cure),
  texts: [new Closed(4401, { error: "bad-token", detail: "over" }), new Refused(404, { title: "Gone" })]
    .map((error) => error.message),
  items: items.map((item) => seen.isNew(item)), repeats: seen.repeats,
  pauses: chances.map(() => backoff.next()),
}));
"""


def by_javascript(given: dict[str, Any]) -> dict[str, Any]:
    """What the client in JavaScript makes of it."""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT % CLIENT.as_uri()],
        input=json.dumps(given), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_both_clients_have_the_same_rules() -> None:
    """The cure of every close code and problem, 4000 items in four lanes with many repeats, and the pauses."""
    chance = random.Random(11)
    closed = [(code, name) for code in CODES for name in NAMES]
    refused = [(status, type_) for status in STATUSES for type_ in TYPES]
    lanes = ("critical", "high", "normal", "low")
    items = [
        {"lane": chance.choice(lanes), "id": f"{max(0, n + chance.randint(-9, 9)):016x}{chance.randint(0, 2):016x}"}
        for n in range(4000)
    ]
    chances = [*([0.999] * 8), *(chance.random() for _ in range(8))]
    found = by_javascript({"closed": closed, "refused": refused, "items": items, "chances": chances})
    assert found["closed"] == [Closed(code, {"error": name}).cure.name.lower() for code, name in closed]
    assert found["refused"] == [Refused(status, {"type": type_}).cure.name.lower() for status, type_ in refused]
    assert found["texts"] == ["closed with 4401 bad-token over", "404 : Gone"]
    assert found["stored"] == ["", "newer", ["lockstep-cursor-tv"]]
    seen = Seen()
    assert found["items"] == [seen.is_new(item) for item in items]
    assert found["repeats"] == seen.repeats > 1000
    numbers = iter(chances)
    backoff = Backoff(lambda: next(numbers))
    assert found["pauses"] == [backoff.next() for _ in chances]
    assert max(found["pauses"]) == 0.999 * MOST_S
