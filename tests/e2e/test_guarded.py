"""TLS, a login and the least rights for every process, on real servers that refuse everything else."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
import redis
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from cassandra import Unauthorized
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from lockstep_client import DeviceClient

from deploy.local.pipeline import ProcessFailed
from deploy.local.ports import free_ports
from streams.admin import committed
from streams.settings import Kafka, Settings
from streams.transport.client import Publisher, PublishFailed
from streams.transport.logins import Logins
from streams.transport.security import log_in
from tests.console.browser import Answer, Browser, Served
from tests.e2e.events import STRUCTURED, event
from tests.e2e.guarded import KEYSPACE, PLATFORMS, PREFIX, Guarded, guarded
from tests.e2e.household import until
from tests.e2e.system import WORKERS
from tests.integration.platforms.all import CASES, variables
from tests.integration.platforms.cases import GONE, OK, Case

LANES = ["critical", "high", "normal", "low"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Every worker and the edge are up, each with a login of its own."""
    with guarded(tmp_path_factory.mktemp("guarded")) as made:
        made.start()
        yield made


def probe(system: Guarded) -> None:
    """One event goes through every lane to a device. Raises ProcessFailed."""
    said = system.command("prober", "prober", "--url", system.url, "--once", "--timeout", "60s")
    assert [line.split()[0] for line in said.splitlines()] == LANES
    assert all(re.fullmatch(r"\w+ +\d+ ms", line) for line in said.splitlines())


def test_every_lane_works_with_the_rights_of_the_page(system: Guarded) -> None:
    """docs/access.md grants enough: nothing on the way is refused; operator and autoscaler see what they want."""
    probe(system)
    system.command("operator", "dlq", "list")
    config = Kafka(servers=system.config.endpoints.kafka, security=system.security("autoscaler"))
    assert committed(Settings(kafka=config), PREFIX + "critical") != {}


async def test_the_console_works_with_its_own_rights(system: Guarded) -> None:
    """It shows accounts and dead letters, keeps its index, simulates and runs what if; nothing is refused."""
    (port,) = free_ports(1)
    console = system.pipeline.start(
        "console", "console", LOCKSTEP_CONSOLE__PORT=str(port), **system.settings("console")
    )
    await asyncio.to_thread(system.pipeline.wait_ready, [console], 300)
    token = system.command("operator", "operator", "anna", "--write").strip()
    async with Browser(Served(f"http://127.0.0.1:{port}", {})) as browser:
        await browser.sign_in_with(token)
        told: list[Answer] = []

        async def all_there() -> bool:
            paths = ("accounts/nobody", "search?q=nobody", "dead-letters")
            told[:] = [await browser.get(path) for path in paths]
            told.append(await browser.post("what-if", {"use_case": "my-list"}))
            good = all(answer.status == 200 for answer in told)
            return good and not told[1].body["index"]["trouble"]

        await until(all_there, lambda: told, 60)
        assert (await browser.post("accounts/nobody/simulate", {"type": "member.list.changed"})).status == 200
    console.stop()


def test_a_role_can_do_nothing_else(system: Guarded) -> None:
    """Neighbours' topics, keys and tables are closed to it."""
    config = {**system.security("critical"), "message.timeout.ms": 5000}
    with closing(Publisher(system.config.endpoints.kafka, **config)) as publisher:
        for topic in ("ingest", "events.high"):
            with pytest.raises(PublishFailed, match="authoriz"):
                publisher.publish_sync(PREFIX + topic, b"k", b"v")
    for role, command in (("critical", "FLUSHALL"), ("critical", "SET bg:x 1"), ("edge", "CONFIG GET *")):
        with system.redis(role) as client, pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())
    with system.cassandra("critical") as session:
        for statement in ("SELECT * FROM {}.inbox", "SELECT * FROM {}.last_seen", "DROP TABLE {}.inbox"):
            with pytest.raises(Unauthorized):
                session.execute(statement.format(KEYSPACE))


async def test_the_workers_of_platforms_have_the_rights_that_they_use(system: Guarded) -> None:
    """Topics, retries, budgets, and devices that are forgotten; what is their neighbour's they cannot write."""
    cases: dict[str, Case] = {name: CASES[name]() for name in PLATFORMS}
    account, types = f"anna-{uuid.uuid4().hex[:8]}", {"fcm": "tablet", "webhook": "stick"}
    async with AsyncExitStack() as stack:
        settings = Settings()
        for case in cases.values():
            settings = await case.open(stack, settings)
        workers = [system.pipeline.worker(f"push-{name}", **own(system, name, settings)) for name in PLATFORMS]
        for member in workers:
            stack.push_async_callback(asyncio.to_thread, member.stop)
        await asyncio.to_thread(system.pipeline.wait_ready, workers, 120)
        for name, case in cases.items():
            await register(system, name, account, types[name], case, OK)
        cases["webhook"].failing = True
        await asyncio.to_thread(publish, system, account)
        await until(lambda: len(cases["fcm"].seen) == 1, lambda: workers[0].tail())
        cases["webhook"].failing = False
        await until(lambda: len(cases["webhook"].seen) == 1, lambda: workers[1].tail())
        for name, case in cases.items():
            await register(system, name, account, types[name], case, GONE)
        await asyncio.to_thread(publish, system, account)
        with system.cassandra() as session:
            query = "SELECT push_token FROM {}.devices WHERE account = %s"

            def forgotten() -> bool:
                rows = session.execute(query.format(KEYSPACE), (account,))
                return [row.push_token for row in rows] == ["", ""]

            await until(forgotten, lambda: [member.tail() for member in workers])
        assert all(member.alive for member in workers)
        assert [member.log.read_text() for member in workers if refused(member.log.read_text())] == []
    config = {**system.security("push-fcm"), "message.timeout.ms": 5000}
    with closing(Publisher(system.config.endpoints.kafka, **config)) as publisher:
        for topic in ("push.webhook.high", "push.webhook.high.retry", "push.fcm.high", "ingest"):
            with pytest.raises(PublishFailed, match="authoriz"):
                publisher.publish_sync(PREFIX + topic, b"k", b"v")


def own(system: Guarded, platform: str, settings: Settings) -> dict[str, str]:
    """What makes a process the worker of a platform whose provider is one of the tests."""
    return {**system.settings(f"push-{platform}"), **variables(settings)}


async def register(system: Guarded, device: str, account: str, type_: str, case: Case, behaviour: str) -> None:
    """A device of the platform of its name, whose provider behaves so."""
    said = await asyncio.to_thread(system.command, "prober", "token", device, "--account", account, "--type", type_)
    async with DeviceClient(system.url, device, said.strip()) as client:
        await client.register(type_, "2.0", platform=device, **case.registration(behaviour))


def publish(system: Guarded, account: str) -> None:
    """An event for all devices of an account."""
    value = json.dumps(event(account, "member.plan.changed")).encode()
    with closing(Publisher(system.config.endpoints.kafka, **system.security("prober"))) as publisher:
        publisher.publish_sync(PREFIX + "ingest", account.encode(), value, STRUCTURED)


def refused(log: str) -> bool:
    """Whether a log tells of something that Kafka, Redis or Cassandra did not allow."""
    return re.search("authoriz|NOPERM|permission", log, re.IGNORECASE) is not None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"LOCKSTEP_CASSANDRA__CA": "/etc/ssl/certs/ca-certificates.crt"}, "certificate verify failed"),
        ({"LOCKSTEP_CASSANDRA__CA": "/nowhere"}, "LOCKSTEP_CASSANDRA__CA"),
        ({"LOCKSTEP_CASSANDRA__USERNAME": "nobody"}, "credentials"),
    ],
)
def test_what_is_not_trusted_is_said_in_one_line(system: Guarded, changed: dict[str, str], says: str) -> None:
    """By the client of the server, or the other way round."""
    with pytest.raises(ProcessFailed, match=says) as failed:
        system.command("schema", "schema", "apply", **changed)
    assert "Traceback" not in str(failed.value)


async def test_a_password_changes_while_everything_runs(system: Guarded) -> None:
    """New connections use what the file holds now: nothing is restarted, and events go on."""
    members = [member for member in system.pipeline.members if member.name in (*WORKERS, "edge")]
    with system.cassandra() as session, system.redis() as memory:
        for role in ("critical", "edge"):
            fresh = f"changed-{role}"
            session.execute(f"ALTER ROLE '{role}' WITH PASSWORD = '{fresh}'")
            memory.acl_setuser(role, enabled=True, reset_passwords=True, passwords=[f"+{fresh}"])
            system.write_login(role, fresh)
            memory.client_kill_filter(user=role)
    await until(lambda: all(member.ready() for member in members), lambda: [member.tail() for member in members])
    probe(system)
    assert all(member.alive for member in members)


async def test_a_new_login_of_kafka_is_taken_from_its_file(system: Guarded, tmp_path: Path) -> None:
    """A client that the broker refuses gets in once the file holds the right password."""
    file = tmp_path / "security.json"
    security = system.security("operator", "wrong")
    file.write_text(json.dumps(security))
    config = Kafka(servers=system.config.endpoints.kafka, security=security, security_file=str(file))
    with closing(Publisher(config.servers, **security)) as publisher:
        logins = Logins(config, publisher.login)
        placed = publisher.submit(PREFIX + "ingest", b"k", b"{}")
        for text in (json.dumps(security), "{", "[]"):
            file.write_text(text)
            logins.reload()
        assert not placed.done()
        change = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        admin = system.kafka()
        answers = admin.alter_user_scram_credentials([
            UserScramCredentialUpsertion("operator", change, b"rotated")
        ])  # fmt: skip
        for answer in answers.values():
            answer.result()
        file.write_text(json.dumps(system.security("operator", "rotated")))
        logins.reload()
        assert placed.result(30)[1] >= 0
    await faust_gets_in(system)


async def faust_gets_in(system: Guarded) -> None:
    """The client under Faust takes a new login too."""
    client = AIOKafkaClient(
        bootstrap_servers=system.config.endpoints.kafka, security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username="operator", sasl_plain_password="wrong", ssl_context=system.secrets.tls,
    )  # fmt: skip
    with pytest.raises(KafkaConnectionError):
        await client.bootstrap()
    log_in(client, "operator", "rotated")
    await client.bootstrap()
    await client.close()


def test_logs_are_json_and_hold_neither_payloads_nor_secrets(system: Guarded) -> None:
    """Each line of every process is an object. What good events and bad ones carry is in none, nor is a password."""
    marker = uuid.uuid4().hex
    carrying = event("lockstep-prober", "member.plan.changed", data={"plan": marker})
    headers = [("content-type", b"application/cloudevents+json")]
    with closing(Publisher(system.config.endpoints.kafka, **system.security("edge"))) as publisher:
        for value in (json.dumps(carrying).encode(), f"{{{marker}".encode()):
            publisher.publish_sync(PREFIX + "ingest", b"lockstep-prober", value, headers)
    probe(system)  # of the same account, so these were before it
    hidden = [marker, *system.secrets.passwords.values(), "changed-"]
    for member in system.pipeline.members:
        for line in member.log.read_text().splitlines():
            entry = json.loads(line)
            assert {"time", "level", "process", "logger", "message"} <= set(entry)
            assert [each for each in hidden if each in line] == []
