"""The console's API as its own page uses it: a cookie, the headers of a browser, the token against forgery."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import aiohttp


class Served(NamedTuple):
    """A console: its address, and tokens of operators by name."""

    url: str
    tokens: dict[str, str]


class Answer(NamedTuple):
    """Status, headers, and what the JSON says."""

    status: int
    headers: Any
    body: Any

    @property
    def problem(self) -> str:
        """The end of the type of a problem."""
        return str(self.body["type"]).rpartition(":")[2]


class Browser:
    """One browser; an async context manager."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.csrf = ""
        self._client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # the host is an address

    async def __aenter__(self) -> Self:
        """Nobody has signed in."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close it."""
        await self._client.close()

    async def sign_in(self, operator: str) -> Answer:
        """As one of the served console's operators."""
        return await self.sign_in_with(self.served.tokens[operator])

    async def sign_in_with(self, token: str) -> Answer:
        """With a token of whomever."""
        answer = await self.post("session", {"token": token})
        self.csrf = answer.body.get("csrf", "")
        return answer

    async def get(self, path: str, **headers: str) -> Answer:
        """GET of the API."""
        return await self.ask("GET", f"/api/v1/{path}", None, headers)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST of the API."""
        return await self.ask("POST", f"/api/v1/{path}", body, headers)

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Any request; headers of underscores."""
        own = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf}
        own |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        sent = {name: value for name, value in own.items() if value}
        async with self._client.request(method, self.served.url + path, json=body, headers=sent) as answer:
            is_json = answer.content_type.endswith("json")
            return Answer(
                answer.status, answer.headers, await answer.json(content_type=None) if is_json else await answer.text()
            )

    async def lines(self, path: str, count: int) -> list[str]:
        """The first lines that are not empty of a stream."""
        found: list[str] = []
        headers = {"Sec-Fetch-Site": "same-origin"}
        async with self._client.get(f"{self.served.url}/api/v1/{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                found += [line.decode().strip()] if line.strip() else []
                if len(found) == count:
                    break
        return found
