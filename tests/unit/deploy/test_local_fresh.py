"""Tests of how the fresh system is told this machine's way to the package registries."""

import pytest

from deploy.local.config import DEFAULT_PORTS, default_ports
from deploy.local.fresh import environment, mirror


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "# deb http://no.invalid x\ndeb [signed-by=/k] http://a.invalid/debian bookworm main\n",
            "http://a.invalid/debian",
        ),
        ("deb http://a.invalid/debian bookworm main\n", "http://a.invalid/debian"),
        (
            "Types: deb\n# comment\nURIs: http://b.invalid/debian http://c.invalid\nSuites: x\n",
            "http://b.invalid/debian",
        ),
        ("# nothing\n", None),
    ],
)
def test_the_mirror_is_read_from_either_format(text: str, expected: str | None) -> None:
    """Comments and options do not confuse it."""
    assert mirror(text) == expected


def test_only_the_way_to_the_registries_is_passed_on() -> None:
    """Proxies, certificates and package clients' settings; neither secrets nor what is installed here."""
    passed = ["https_proxy", "NO_PROXY", "PIP_INDEX_URL", "npm_config_registry", "PIP_CERT", "NODE_EXTRA_CA_CERTS"]
    kept_back = ["AWS_SECRET", "PIP_FIND_LINKS", "PYTHONPATH", "JAVA_HOME", "CERTAIN"]
    host = dict.fromkeys([*passed, *kept_back, "PATH", "HOME"], "x")
    given = environment(host)
    assert {name for name in given if not name.startswith("LOCKSTEP_LOCAL_")} == {
        *passed,
        "HOME",
        "PATH",
        "LANG",
        "TERM",
    }
    assert given["HOME"] == "/root"
    assert len(set(default_ports(given).values()) - set(DEFAULT_PORTS.values())) == 3
