"""Writes the golden manifests anew: `make chart` does it, and `git diff` shows what a change does to each profile."""

from tests.chart.rendering import GOLDEN, PROFILES, golden

GOLDEN.mkdir(exist_ok=True)
for name in PROFILES:
    (GOLDEN / f"{name}.yaml").write_text(golden(name))
