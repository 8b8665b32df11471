"""Tests of the one line that is made of another program's output, and of finding tools."""

from pathlib import Path

import pytest

from deploy.local import apt, boot, jars, tools, venv
from deploy.local.config import LocalError
from deploy.local.servers import silent


def test_the_last_words_are_those_of_the_error(tmp_path: Path) -> None:
    """A stack trace below the message, or a line after it, does not hide it."""
    log = tmp_path / "log"
    log.write_text("starting\nERROR Exiting: no space left\n\tat kafka.Kafka.main(Kafka.java:1)\n\t... 3 more\nbye\n")
    assert boot.last_words(log) == "ERROR Exiting: no space left"


@pytest.mark.parametrize(
    ("text", "expected"), [("", "it wrote nothing"), ("one\ntwo\n", "two"), ("x" * 999, "x" * 300)]
)
def test_last_words_without_an_error(tmp_path: Path, text: str, expected: str) -> None:
    """The last line serves, cut to a line's length."""
    log = tmp_path / "log"
    log.write_text(text)
    assert boot.last_words(log) == expected


def test_mavens_first_error_counts() -> None:
    """What follows it are hints and links."""
    text = "[INFO] x\n\x1b[0m[ERROR] \n[ERROR] cannot resolve a:b\n[ERROR] Help 1\n"
    assert jars.first_error(text) == "cannot resolve a:b"
    assert jars.first_error("") == "it gave no reason"


def test_apts_error_counts() -> None:
    """apt marks its errors."""
    assert apt.reason("Reading\nE: Unable to locate package x\nbye\n") == "E: Unable to locate package x"
    assert apt.reason("\n") == "it gave no reason"


def test_pips_last_error_counts() -> None:
    """pip ends with the error that stopped it."""
    assert venv.reason("WARNING: x\nERROR: first\nERROR: second\nnote: y\n") == "ERROR: second"
    assert venv.reason("  OSError: no README\nerror: metadata-generation-failed\nhint\n") == "OSError: no README"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('JAVA_VERSION="17.0.15"\n', 17),
        ('openjdk version "21.0.1" 2023', 21),
        ('java version "1.8.0_1"', 1),
        ("", None),
    ],
)
def test_the_feature_release_of_java(text: str, expected: int | None) -> None:
    """It is read from the release file of a JDK, or from what java prints."""
    assert tools.java_major(text) == expected


def test_jars_of_another_pom_are_other_jars(tmp_path: Path) -> None:
    """Redis has none; the others are missing until their directory is there."""
    assert not jars.missing(tmp_path, "redis")
    assert jars.missing(tmp_path, "kafka")
    jars.directory(tmp_path, "kafka").mkdir()
    assert not jars.missing(tmp_path, "kafka")
    assert jars.missing(tmp_path, "cassandra")


@pytest.mark.parametrize(
    ("name", "what", "package"), [("mvn", "Maven", "maven"), ("firefox", "Firefox ESR", "firefox-esr")]
)
def test_a_missing_tool_is_asked_for(monkeypatch: pytest.MonkeyPatch, name: str, what: str, package: str) -> None:
    """Who may not install packages is told which, in one line."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(tools, "can_install", lambda: False)
    with pytest.raises(LocalError, match=rf"^missing: install {what} \(Debian: apt-get install {package}\)$"):
        tools.require([name], silent)


def test_a_tool_that_nobody_knows() -> None:
    """A misspelt name says what there is."""
    with pytest.raises(LocalError, match="unknown tool 'noed': choose from java, "):
        tools.require(["noed"], silent)
