"""The command line without servers: help, errors of one line, files that it keeps."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edge.auth.tokens import Verifier
from edge.cli import main
from edge.cli.common import Group
from edge.cli.convert import moment, seconds, when
from streams.settings import SettingsError, Tokens

ROOT = Path(__file__).parents[3]
DEAD = "127.0.0.1:1"
COMMANDS = sorted(main.commands)
HEAVY = ("faust", "aiokafka", "confluent_kafka", "cassandra", "aiohttp", "joserfc", "ruamel", "numpy", "hiredis")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that reach no server, keys in a directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_TOPOLOGY", str(ROOT / "topics.yaml"))
    monkeypatch.setenv("LOCKSTEP_KAFKA__SERVERS", DEAD)


def lockstep(*arguments: str, stdin: str = "") -> Result:
    """What a command says."""
    return CliRunner().invoke(main, arguments, input=stdin)


def error(*arguments: str, stdin: str = "") -> str:
    """The one line of a command that fails."""
    result = lockstep(*arguments, stdin=stdin)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    return lines[0].removeprefix("Error: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """Help needs no server, and says what the command does."""
    result = lockstep(command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {command}")
    assert main.commands[command].help


def test_help_loads_no_client_library() -> None:
    """`lockstep --help` is quick: what is heavy is loaded by the commands that need it."""
    code = f"""
import sys
from edge.cli import main
try:
    main(["--help"])
except SystemExit:
    assert not [name for name in {HEAVY} if name in sys.modules], sys.modules
    sys.exit(7)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 7, ran.stderr
    assert all(command in ran.stdout for command in COMMANDS)


def test_settings_are_read_once_and_a_bad_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown variable or a bad value is an error of whatever command runs."""
    monkeypatch.setenv("LOCKSTEP_EDGE__PORT", "many")
    assert error("check").startswith("LOCKSTEP_EDGE__PORT: ")


@pytest.mark.parametrize("command", [("check",), ("topics", "plan")])
def test_a_limit_that_a_topic_does_not_take_is_refused(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything runs by it: the first event that long would end a worker."""
    monkeypatch.setenv("LOCKSTEP_LIMITS__EVENT_BYTES", "300000")
    said = error(*command)
    assert ": topics.push.{platform}.{lane}.max_message: 1MiB is less than a record may have, " in said
    assert said.endswith(" bytes: events have up to 300000 (LOCKSTEP_LIMITS__EVENT_BYTES)")


def test_check_counts_the_schemas_and_names_bad_ones(tmp_path: Path) -> None:
    """A schema belongs to the file that names its directory."""
    assert lockstep("check").stdout.endswith(", 7 schemas\n")
    topics = tmp_path / "topics.yaml"
    topics.write_text((ROOT / "topics.yaml").read_text())
    assert error("check", str(topics)).startswith(f"{tmp_path}/schemas: no such directory")
    (tmp_path / "schemas").mkdir()
    bad = tmp_path / "schemas" / "member.plan.changed.json"
    bad.write_text('{"type": "objec"}')
    assert error("check", str(topics)).startswith(f"{bad}: no JSON Schema 2020-12.type: ")


def test_compat_names_each_place_and_fails(tmp_path: Path) -> None:
    """Of two files, or of all that two directories have in common."""
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new):
        directory.mkdir()
    (old / "a.json").write_text('{"enum": ["x", "y"]}')
    (new / "a.json").write_text('{"enum": ["x"]}')
    (old / "gone.json").write_text("true")
    (new / "more.json").write_text("true")
    told = 'a: data: the value "y" is not allowed any more\n'
    for pair in ((old, new), (old / "a.json", new / "a.json")):
        result = lockstep("compat", *map(str, pair))
        assert (result.exit_code, result.stdout) == (1, told)
        assert "not compatible: 1 places" in result.stderr
    wider = lockstep("compat", str(new), str(old))
    assert (wider.exit_code, wider.stdout) == (0, "compatible: 1 compared\n")
    assert wider.stderr.splitlines() == [
        "more has no schema any more: anything is taken", "gone had no schema before: nothing to compare",
    ]  # fmt: skip
    assert error("compat", str(old), str(new / "a.json")) == "OLD and NEW are two files, or two directories"
    (new / "a.json").write_text("{")
    assert error("compat", str(old), str(new)).startswith(f"{new}/a.json: no JSON Schema: ")


def test_check_prints_every_problem_and_the_schema(tmp_path: Path) -> None:
    """Each problem is a line of its own with file and line number."""
    text = (ROOT / "topics.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("lane: normal", "lane: norml", 1).replace("replication: 1", "replication: 2"))
    result = lockstep("check", str(path))
    assert result.exit_code == 1
    line = text[: text.index("lane: normal")].count("\n") + 1
    assert f"{path}:{line}: use_cases.viewing-activity.lane: no lane 'norml'" in result.stderr
    assert f"{path}:8: replication: " in result.stderr
    assert error("check", "none.yaml") == "none.yaml: cannot read it: No such file or directory"
    assert json.loads(lockstep("check", "--schema").stdout)["$defs"]["Topology"]["additionalProperties"] is False


def test_token_makes_its_keys_once_and_is_good(tmp_path: Path) -> None:
    """The first token makes the key pair, the second uses it; both verify."""
    keys = tmp_path / ".local" / "keys"
    first = lockstep("token", "tv-1", "--account", "a1", "--type", "tv")
    assert "made .local/keys/private.jwk" in first.stderr
    second = lockstep("token", "tv-1", "--account", "a1", "--type", "tv", "--lifetime", "1h")
    assert second.stderr == ""
    verifier = Verifier(Tokens(keys=str(keys / "public.jwks")))
    for result in (first, second):
        identity = verifier.verify(result.stdout.strip(), time.time())
        assert (identity.device, identity.account, identity.type) == ("tv-1", "a1", "tv")


def test_token_refuses_what_it_cannot_sign(tmp_path: Path) -> None:
    """No key is made beside public keys of somebody else, and no token that an edge would refuse."""
    lockstep("token", "tv", "--account", "a1", "--type", "tv")
    assert error("token", "a b", "--account", "a1", "--type", "tv") == "claim 'sub' is not a device id"
    (tmp_path / ".local" / "keys" / "private.jwk").unlink()
    assert "tokens for .local/keys/public.jwks are issued elsewhere" in error(
        "token", "tv", "--account", "a1", "--type", "tv"
    )


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("{", "<stdin>:1: not a JSON object: "),
        ("\n[1]\n", "<stdin>:2: not a JSON object: "),
        ('{"subject": ""}', "<stdin>:1: no subject: it names the account"),
        ("\udcff", "<stdin>:1: not a JSON object: "),
    ],
)
def test_send_names_the_line_that_is_no_event(stdin: str, message: str) -> None:
    """A bad line ends the command with its number; nothing of it was sent."""
    result = CliRunner().invoke(main, ["send", "--file", "-"], input=stdin.encode(errors="surrogateescape"))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["send"], "give --account, or --file"),
        (["send", "--account", "a"], "give --type, or --file"),
        (["send", "--file", "-", "--type", "t"], "--file brings its own attributes"),
        (["send", "--account", "a", "--type", "t", "--data", "{"], "--data is not JSON"),
        (["trace"], "give PARTITION:OFFSET, a notification id, or --id and --account"),
        (["trace", "x:y"], "'x:y' is neither PARTITION:OFFSET nor a notification id"),
        (["trace", "1:2", "--id", "x"], "give a place or --id and --account, not both"),
        (["trace", "--id", "x", "--account", "a", "--time", "noon"], "'noon' is no time such as"),
        (["listen", "tv"], "give --token, or --account for a development token"),
        (["pull", "tv"], "give --token, or --account for a development token"),
        (["token", "tv", "--account", "a", "--type", "tv", "--lifetime", "long"], "'long' is not a number and ms"),
    ],
)
def test_wrong_use_says_what_is_missing(arguments: list[str], message: str) -> None:
    """Wrong options are exit status 2, with the usage and the reason."""
    result = lockstep(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_place_of_another_ingest_is_refused() -> None:
    """A partition that does not exist and an id of another epoch are told before anything is read."""
    assert error("trace", "8:0") == "8:0: partition 8; there are 8"
    assert error("trace", f"{2 << 48:016x}{0:08x}{0:08x}").endswith("of epoch 2; topics.yaml has epoch 1")


def test_servers_that_are_away_are_one_line(tmp_path: Path) -> None:
    """Kafka or the edge not being there is an error that names the address."""
    assert error("pull", "tv", "--token", "t", "--url", f"http://{DEAD}").startswith(
        "Cannot connect to host 127.0.0.1:1"
    )
    assert not list(tmp_path.iterdir())


def test_errors_of_lockstep_are_lines_and_defects_are_traces() -> None:
    """An error that lockstep defines, or the operating system, is for the user; any other is a defect."""

    @click.group(cls=Group)
    def group() -> None:
        """A group."""

    @group.command()
    @click.argument("kind")
    def fail(kind: str) -> None:
        if kind == "file":
            Path("nowhere").read_text()
        raise SettingsError("what is wrong") if kind == "ours" else KeyError("defect")

    assert CliRunner().invoke(group, ["fail", "ours"]).stderr == "Error: what is wrong\n"
    assert CliRunner().invoke(group, ["fail", "file"]).stderr == "Error: nowhere: No such file or directory\n"
    assert isinstance(CliRunner().invoke(group, ["fail", "defect"]).exception, KeyError)


def test_durations_and_times() -> None:
    """Options take what topics.yaml takes for durations, and RFC 3339 or a time of today."""
    assert seconds("90s") == 90.0
    assert seconds("1d") == 86_400.0
    assert moment("2027-01-15T08:00:00Z") == 1_800_000_000_000
    assert moment("2027-01-15T09:00:00+01:00") == 1_800_000_000_000
    assert moment("2027-01-15T08:00:00") == 1_800_000_000_000
    assert when("2027-01-15T08:00:00Z") == 1_800_000_000_000
    assert 0 <= time.time() * 1000 - 900_000 - when("15m") < 60_000
    assert moment("08:00") % 86_400_000 == 8 * 3_600_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("send", "--account", "a", "--type", "t", "--expires", "999999999d"),
            "'999999999d' is more than a hundred years",
        ),
        (("dlq", "list", "--since", "999999999d"), "'999999999d' is more than a hundred years"),
        (("trace", "3:7", "--time", "14:05"), "--time and --source are for --id and --account"),
        (("trace", "3:7", "--source", "/a"), "--time and --source are for --id and --account"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """Before anything is asked of a server, and with what is wrong."""
    result = lockstep(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_worker_that_has_ended_waits_for_no_thread() -> None:
    """Its status is told, and its last words are printed, though a thread of a client would hold up the exit."""
    code = (
        "import threading; threading.Thread(target=threading.Event().wait).start()\n"
        "from edge.cli.common import leave; print('over'); leave(70)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (70, "over\n", "")
