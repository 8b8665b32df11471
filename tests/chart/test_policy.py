"""Policies of Kubernetes manifests, as checkov has them: the profile for production breaks none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chart.rendering import Object, profile, render
from tests.unit.fakes import ROOT

CHECKOV: Final = ROOT / ".local" / "checkov" / "bin" / "checkov"
DIGEST: Final = "sha256:" + "0" * 64
#: What the one pod that `helm test` starts is excused from.
EXCUSED: Final = {"CKV_K8S_8", "CKV_K8S_9"}


def judged(objects: list[Object], directory: Path) -> Any:
    """What checkov says of manifests; it asks nobody."""
    assert CHECKOV.exists(), "`make chart-test` installs checkov"
    manifest = directory / "manifest.yaml"
    manifest.write_text(yaml.safe_dump_all(objects))
    command = [
        str(CHECKOV),
        "--framework",
        "kubernetes",
        "--skip-download",
        "--compact",
        "-o",
        "json",
        "-f",
        str(manifest),
    ]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode in (0, 1), ran.stderr
    return json.loads(ran.stdout)


def production() -> list[Object]:
    """As it is installed: by the digest of the image, which no profile can know."""
    values = profile("prod")
    return render({**values, "image": {**values.get("image", {}), "digest": DIGEST}})


def test_production_breaks_no_policy(tmp_path: Path) -> None:
    """None fails, and only what runs once is excused, from probes."""
    said = judged(production(), tmp_path)
    assert [(each["check_id"], each["resource"]) for each in said["results"]["failed_checks"]] == []
    assert {each["check_id"] for each in said["results"]["skipped_checks"]} == EXCUSED
    assert said["summary"]["skipped"] == len(EXCUSED)
    assert said["summary"]["parsing_errors"] == 0
    assert said["summary"]["passed"] > 500


def test_a_policy_that_is_broken_is_found(tmp_path: Path) -> None:
    """So that silence means something."""
    objects = [each for each in production() if each["kind"] == "Deployment"][:1]
    (container,) = objects[0]["spec"]["template"]["spec"]["containers"]
    container["securityContext"] = {"privileged": True}
    found = {each["check_id"] for each in judged(objects, tmp_path)["results"]["failed_checks"]}
    assert {"CKV_K8S_16", "CKV_K8S_22"} <= found
