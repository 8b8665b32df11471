"""Firefox as the receiver: the push service of the tests, a page that subscribes, a service worker that reads."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import tempfile
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web

from deploy.local.tools import TOOLS
from sinks.keys import pack
from streams.settings import Settings
from tests.integration.platforms import cases
from tests.integration.platforms.cases import Seen
from tests.integration.platforms.webpushes import Webpushes

#: Firefox needs its time on a busy machine.
START_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.5
READ_S: Final = 20.0
_PAGE: Final = """<!doctype html><script type="module">
const tell = (what, body) => fetch(`/${what}`, { method: "POST", body });
try {
  await navigator.serviceWorker.register("/worker.js");
  const { pushManager } = await navigator.serviceWorker.ready;
  for (;;) {
    const applicationServerKey = await (await fetch("/key")).text();
    const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    await tell("subscribed", JSON.stringify(subscription));
    await fetch("/leave");
    await subscription.unsubscribe();
  }
} catch (error) {
  await tell("failed", String(error));
}
</script>"""
_WORKER: Final = """addEventListener("push", (event) => {
  event.waitUntil(fetch("/read", { method: "POST", body: event.data.text() }));
});"""
#: Nobody but the push service of the tests is called, no notification has to be shown, and the disk is left in peace.
_PREFERENCES: Final[Mapping[str, bool | int | str]] = {
    "dom.push.connection.enabled": True,
    "dom.push.testing.allowInsecureServerURL": True,
    "dom.push.maxQuotaPerSubscription": 100_000,
    "permissions.default.desktop-notification": 1,
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "browser.aboutwelcome.enabled": False,
    "browser.cache.disk.enable": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.topsites.contile.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "toolkit.storage.synchronous": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.unified": False,
}


def is_installed() -> bool:
    """Whether there is a Firefox on this machine that it can be."""
    return TOOLS["firefox"].find() is not None


class NoBrowser(Exception):
    """Firefox did not come up, or could not subscribe; the message says why."""


class Firefoxes(Webpushes):
    """The platform `webpush` with one browser behind it that is real; it reads what comes for the behaviour `ok`."""

    def __init__(self) -> None:
        super().__init__()
        self.acks: list[dict[str, Any]] = []  # as the browser gave them to its push service
        self.subscriptions: list[dict[str, Any]] = []  # as the page got them; the last one stands
        self._keys: dict[str, str] = {}  # by channel: the sender that may use it
        self._read: deque[Seen] = deque()  # what was sent, until the service worker tells that it was read
        self._socket = web.WebSocketResponse()
        self._connected = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._leave = asyncio.Event()
        self._news = asyncio.Event()
        self._failure = ""
        self._process: subprocess.Popen[bytes] | None = None

    def routes(self) -> list[web.RouteDef]:
        """Those of the push service, then of the page."""
        return [
            *super().routes(),
            web.post("/channel/{channel}", self._send), web.get("/service", self._serve),
            web.get("/", _fixed(_PAGE, "text/html")), web.get("/worker.js", _fixed(_WORKER, "text/javascript")),
            web.get("/key", self._key), web.get("/leave", self._left),
            web.post("/subscribed", self._has_subscribed), web.post("/read", self._has_read),
            web.post("/failed", self._has_failed),
        ]  # fmt: skip

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """The push service, and the page."""
        settings = await super().open(stack, settings)
        stack.callback(self._leave.set)
        self._profile = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        stack.callback(self._stop)
        return settings

    async def ready(self) -> str:
        """Start Firefox, unless it runs, and wait until it has subscribed. Raises NoBrowser."""
        if self._process is None:
            self._process = _start(self._profile, self.url)
        end = asyncio.get_running_loop().time() + START_S
        while not self._subscribed.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._subscribed.wait(), _LOOK_AGAIN_S)
            ended = self._process.poll() is not None
            if ended or asyncio.get_running_loop().time() > end:
                state = "has ended" if ended else f"has not subscribed in {START_S:.0f} s"
                raise NoBrowser(f"Firefox {state}: {(self._profile / 'log').read_text()[-300:]}")
        if self._failure:
            raise NoBrowser(f"Firefox could not subscribe: {self._failure}")
        return "Firefox"

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def token(self, behaviour: str) -> bytes:
        """The browser's subscription for `ok`, once it has one; for all else, that of a stand-in."""
        if behaviour != cases.OK or not self.subscriptions:
            return super().token(behaviour)
        found = self.subscriptions[-1]
        return pack("webpush", found["endpoint"], found["keys"]).encode()

    async def subscribe_anew(self) -> None:
        """The page gives its subscription up, and makes another one."""
        self._subscribed.clear()
        self._leave.set()
        await self.ready()

    async def read(self, number: int) -> list[Seen]:
        """What the service worker has read, once it is so many."""
        async with asyncio.timeout(READ_S):
            while len(self.seen) < number:
                self._news.clear()
                await self._news.wait()
        return self.seen

    # -- the push service: what senders call, and the browser's socket

    async def _send(self, request: web.Request) -> web.Response:
        body, channel = await request.read(), request.match_info["channel"]
        if channel not in self._keys:
            return web.Response(status=410)
        if len(body) > 4096:
            return web.Response(status=413)
        sender = request.headers["Authorization"].rpartition("k=")[2]
        if sender != self._keys[channel] or not self.is_valid(request.headers):
            return web.Response(status=403)
        self._read.append(Seen({}, request.headers))
        frame = {
            "messageType": "notification", "channelID": channel, "version": uuid.uuid4().hex,
            "data": base64.urlsafe_b64encode(body).decode().rstrip("="),
            "headers": {"encoding": request.headers["Content-Encoding"]},
        }  # fmt: skip
        await self._socket.send_json(frame)
        return web.Response(status=201, headers={"Location": f"{self.url}/message/{frame['version']}"})

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        self._socket = web.WebSocketResponse(protocols=("push-notification",))
        await self._socket.prepare(request)
        async for message in self._socket:
            if message.type == WSMsgType.TEXT:
                answer = self._answer(json.loads(message.data))
                if answer is not None:
                    await self._socket.send_json(answer)
                    self._connected.set()
        return self._socket

    def _answer(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        more: dict[str, Any]
        match frame.get("messageType", "ping"):
            case "hello":
                more = {"uaid": frame.get("uaid") or uuid.uuid4().hex, "use_webpush": True, "broadcasts": {}}
            case "register":
                self._keys[frame["channelID"]] = frame["key"].rstrip("=")
                more = {"channelID": frame["channelID"], "pushEndpoint": f"{self.url}/channel/{frame['channelID']}"}
            case "unregister":
                self._keys.pop(frame["channelID"], None)
                more = {"channelID": frame["channelID"]}
            case "ack":
                self.acks += frame["updates"]
                return None
            case "ping":
                return {}
            case _:
                return None
        return {"messageType": frame["messageType"], "status": 200, **more}

    # -- what the page and the service worker call

    async def _key(self, request: web.Request) -> web.Response:
        """The sender's public key: a browser that has not met its push service yet would wait for ever with it."""
        await self._connected.wait()
        return web.Response(text=self.public)

    async def _left(self, request: web.Request) -> web.Response:
        await self._leave.wait()
        self._leave.clear()
        return web.Response()

    async def _has_subscribed(self, request: web.Request) -> web.Response:
        self.subscriptions.append(await request.json())
        self._subscribed.set()
        return web.Response()

    async def _has_read(self, request: web.Request) -> web.Response:
        sent = self._read.popleft()
        self.seen.append(sent._replace(content=await request.json()))
        self._news.set()
        return web.Response()

    async def _has_failed(self, request: web.Request) -> web.Response:
        self._failure = await request.text()
        self._subscribed.set()
        return web.Response()


def _fixed(text: str, kind: str) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return answer


def _start(profile: Path, url: str) -> subprocess.Popen[bytes]:
    wanted = {**_PREFERENCES, "dom.push.serverURL": url.replace("http", "ws") + "/service"}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [
        TOOLS["firefox"].find() or "firefox-esr",
        "--headless",
        "--no-remote",
        "--profile",
        str(profile),
        f"{url}/",
    ]
    environment = {**os.environ, "HOME": str(profile)}  # it refuses the home of another user, as after sudo
    with (profile / "log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
