"""Pushy's mock of APNs, a server that others wrote, as the judge of what is sent to Apple."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey
from msgspec.structs import replace

from streams.providers import Apns
from streams.settings import Settings
from tests.certificate import write_certificate
from tests.integration.platforms import cases
from tests.integration.platforms.apple import KEY_ID, TEAM, TOPIC
from tests.integration.platforms.cases import Case, Seen
from tests.unit.fakes import ROOT

_PROJECT: Final = Path(__file__).with_name("pushy")
_BUILT: Final = ROOT / ".local" / "pushy"
#: Devices that it knows; each has a budget of its own.
KNOWN: Final = ("alert", "data", "sync")
#: A virtual machine needs its time on a busy one.
_DEADLINE_S: Final = 60.0


class Pushies(Case):
    """The platform `apns`: devices that it knows, one that is gone, and all others."""

    name = "apns"

    def __init__(self) -> None:
        super().__init__()
        self.key = ECKey.generate_key("P-256", private=True)
        self.verdicts: asyncio.Queue[str] = asyncio.Queue()  # ACCEPTED, or the reason, in Pushy's words

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """The server, which knows the team's public key."""
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate, key = write_certificate(directory)
        public = directory / "public.pem"
        public.write_bytes(self.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        process = await asyncio.create_subprocess_exec(
            "java", "-Xmx128m", "-XX:+UseSerialGC", "-cp", f"{_classes()}:{_BUILT}/jars/*", "Judge",
            str(certificate), str(key), str(public), KEY_ID, TEAM, TOPIC, *map(_token, (cases.GONE, *KNOWN)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        stack.push_async_callback(_ended, process)
        assert process.stdout is not None
        async with asyncio.timeout(_DEADLINE_S):
            port = int(await process.stdout.readline())
        reading = asyncio.create_task(self._read(process.stdout))
        stack.callback(reading.cancel)
        pem = self.key.as_pem(private=True).decode()
        apns = Apns(
            url=f"https://127.0.0.1:{port}", key=pem, key_id=KEY_ID, team=TEAM, topic=TOPIC,
            authorities=str(certificate), connections=1,
        )  # fmt: skip
        return replace(settings, apns=apns)

    def token(self, behaviour: str) -> bytes:
        """Of a device that it knows, of the one that is gone, or of nobody."""
        return _token(behaviour).encode()

    async def verdict(self) -> str:
        """What the judge said of the next push."""
        async with asyncio.timeout(_DEADLINE_S):
            return await self.verdicts.get()

    async def _read(self, lines: asyncio.StreamReader) -> None:
        while line := (await lines.readline()).decode():
            word, _, payload = line.strip().partition(" ")
            if word == "ACCEPTED":
                found = json.loads(payload)
                self.seen.append(Seen(found.get("item", {"sync": found.get("sync")}), {}))
            self.verdicts.put_nowait(word)


def _token(behaviour: str) -> str:
    return behaviour.encode().hex().ljust(64, "0")


def _classes() -> Path:
    """The server's classes, compiled anew where their source or their libraries are newer."""
    built = _BUILT / "classes"
    stamp = built / "Judge.class"
    if not stamp.exists() or any(file.stat().st_mtime > stamp.stat().st_mtime for file in _PROJECT.iterdir()):
        assert shutil.which("mvn"), "Maven is missing: python3 -m deploy.local tools --with javac,mvn"
        shutil.rmtree(_BUILT, ignore_errors=True)
        command = ["mvn", "-q", "-B", "-f", str(_PROJECT / "pom.xml"), "compile"]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=300)
    return built


async def _ended(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()
