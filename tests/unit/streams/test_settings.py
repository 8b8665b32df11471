"""Settings from the environment: names, files, lists, and a message that names the variable for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.settings import Settings, SettingsError, read_settings


def test_nothing_set_is_the_defaults() -> None:
    """An empty environment, and variables of others, leave every default."""
    assert read_settings({"PATH": "/bin", "lockstep_kafka": "x"}) == Settings()


def test_values_take_the_type_of_their_setting() -> None:
    """Text stays text, numbers are read, lists and objects are JSON."""
    settings = read_settings({
        "LOCKSTEP_TOPIC_PREFIX": "dev.eu-",
        "LOCKSTEP_KAFKA__SERVERS": "a:1,b:2",
        "LOCKSTEP_KAFKA__SESSION_TIMEOUT": "2.5",
        "LOCKSTEP_KAFKA__SECURITY": '{"sasl.username": "me"}',
        "LOCKSTEP_CASSANDRA__CONTACT_POINTS": '["a", "b"]',
        "LOCKSTEP_CASSANDRA__PORT": "9042",
    })  # fmt: skip
    assert settings.topic_prefix == "dev.eu-"
    assert (settings.kafka.servers, settings.kafka.session_timeout) == ("a:1,b:2", 2.5)
    assert settings.kafka.security == {"sasl.username": "me"}
    assert (settings.cassandra.contact_points, settings.cassandra.port) == (("a", "b"), 9042)


@pytest.mark.parametrize("password", ["{x", "[1]", '{"a": 1}', "5", "true", "null", ""])
def test_a_password_may_look_like_anything(password: str) -> None:
    """What is text is taken as it is, whatever it begins with."""
    assert read_settings({"LOCKSTEP_REDIS__PASSWORD": password}).redis.password == password


def test_a_file_holds_a_secret(tmp_path: Path) -> None:
    """_FILE names a file; the line end that editors add does not belong to the value."""
    file = tmp_path / "password"
    file.write_text("{secret}\n")
    assert read_settings({"LOCKSTEP_CASSANDRA__PASSWORD_FILE": str(file)}).cassandra.password == "{secret}"


def test_one_value_overrides_its_group_in_any_order() -> None:
    """A group given as JSON and one of its settings are merged; the order of the environment does not matter."""
    group = ("LOCKSTEP_REDIS", '{"host": "a", "port": 1}')
    single = ("LOCKSTEP_REDIS__PORT", "2")
    for environ in (dict([group, single]), dict([single, group])):
        assert (read_settings(environ).redis.host, read_settings(environ).redis.port) == ("a", 2)


def test_settings_do_not_change() -> None:
    """They are read once and frozen."""
    name = "servers"
    with pytest.raises(AttributeError):
        setattr(Settings().kafka, name, "x")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LOCKSTEP_BOGUS": "1"}, "LOCKSTEP_BOGUS: unknown setting"),
        ({"LOCKSTEP_": "1"}, "LOCKSTEP_: unknown setting"),
        ({"LOCKSTEP_KAFKA__BOGUS": "1"}, "LOCKSTEP_KAFKA__BOGUS: unknown setting"),
        ({"LOCKSTEP_KAFKA__SERVERS__X": "1"}, "LOCKSTEP_KAFKA__SERVERS: Expected `str`, got `object`"),
        ({"LOCKSTEP_KAFKA": "x"}, "LOCKSTEP_KAFKA: Expected `object`, got `str`"),
        ({"LOCKSTEP_KAFKA": "x", "LOCKSTEP_KAFKA__SERVERS": "y"}, "LOCKSTEP_KAFKA__SERVERS: kafka is a value, not a"),
        ({"LOCKSTEP_HEALTH__PORT": "x"}, "LOCKSTEP_HEALTH__PORT: Expected `int`, got `str`"),
        ({"LOCKSTEP_HEALTH__PORT": "65536"}, "LOCKSTEP_HEALTH__PORT: Expected `int` <= 65535"),
        ({"LOCKSTEP_KAFKA__SESSION_TIMEOUT": "0"}, "LOCKSTEP_KAFKA__SESSION_TIMEOUT: Expected `float` > 0.0"),
        ({"LOCKSTEP_KAFKA__SESSION_TIMEOUT": "nan"}, "LOCKSTEP_KAFKA__SESSION_TIMEOUT: Expected `float` > 0.0"),
        ({"LOCKSTEP_KAFKA__SESSION_TIMEOUT": "inf"}, "LOCKSTEP_KAFKA__SESSION_TIMEOUT: Expected `float` <= "),
        ({"LOCKSTEP_LIMITS__SEEN_ENTRIES": "999"}, "LOCKSTEP_LIMITS__SEEN_ENTRIES: Expected `int` >= 1000"),
        ({"LOCKSTEP_LIMITS__SEEN_FULL": "block"}, "LOCKSTEP_LIMITS__SEEN_FULL: Invalid enum value 'block'"),
        ({"LOCKSTEP_LIMITS__DEAD_LETTER_RATIO": "0"}, "LOCKSTEP_LIMITS__DEAD_LETTER_RATIO: Expected `float` > 0.0"),
        ({"LOCKSTEP_LIMITS__DEAD_LETTER_RATIO": "50"}, "LOCKSTEP_LIMITS__DEAD_LETTER_RATIO: Expected `float` <= 1.0"),
        ({"LOCKSTEP_LIMITS__DEAD_LETTER_WINDOW": "0"}, "LOCKSTEP_LIMITS__DEAD_LETTER_WINDOW: Expected `int` >= 1"),
        ({"LOCKSTEP_TOPIC_PREFIX": "Dev"}, "LOCKSTEP_TOPIC_PREFIX: Expected `str` matching regex"),
        ({"LOCKSTEP_TOPIC_PREFIX": "dev.\n"}, "LOCKSTEP_TOPIC_PREFIX: Expected `str` matching regex"),
        ({"LOCKSTEP_CASSANDRA__CONTACT_POINTS": "a,b"}, "LOCKSTEP_CASSANDRA__CONTACT_POINTS: Expected `array`"),
        ({"LOCKSTEP_CASSANDRA__CONTACT_POINTS": "[a"}, "LOCKSTEP_CASSANDRA__CONTACT_POINTS: not JSON: JSON is malf"),
        ({"LOCKSTEP_CASSANDRA__CONTACT_POINTS": "[1]"}, "LOCKSTEP_CASSANDRA__CONTACT_POINTS[0]: Expected `str`"),
        ({"LOCKSTEP_REDIS__HOST_FILE": "/nowhere/at-all"}, "LOCKSTEP_REDIS__HOST_FILE: cannot read /nowhere/at-all"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_variable(environ: dict[str, str], message: str) -> None:
    """Each mistake stops the start with a message that begins with the variable."""
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    assert str(caught.value).startswith(message)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A file that is not UTF-8 cannot hold a value."""
    file = tmp_path / "password"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"^LOCKSTEP_REDIS__PASSWORD_FILE: cannot read .*: not UTF-8$"):
        read_settings({"LOCKSTEP_REDIS__PASSWORD_FILE": str(file)})


def test_a_value_and_a_file_for_it_contradict(tmp_path: Path) -> None:
    """Neither wins silently."""
    (tmp_path / "host").write_text("a")
    environ = {"LOCKSTEP_REDIS__HOST": "b", "LOCKSTEP_REDIS__HOST_FILE": str(tmp_path / "host")}
    with pytest.raises(SettingsError, match=r"^LOCKSTEP_REDIS__HOST_FILE: LOCKSTEP_REDIS__HOST is set too$"):
        read_settings(environ)


def test_a_message_does_not_hold_the_value() -> None:
    """What may be a secret is not shown."""
    with pytest.raises(SettingsError) as caught:
        read_settings({"LOCKSTEP_KAFKA__SECURITY": '{"sasl.password": hunter2}'})
    assert "hunter2" not in str(caught.value)
