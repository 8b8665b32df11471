"""Who may do what in the console, and what no other site can make a browser do."""

from __future__ import annotations

from tests.console.browser import Browser, Served
from tests.e2e.system import System

READS = ("topology", "flow", "search?q=x", "events/0/0", "accounts/a", "dead-letters", "dead-letters/0/0", "session")
WRITES = ("accounts/a/simulate", "dead-letters/0/0/replay", "dead-letters/0/0/discard", "what-if", "play/token")


async def test_without_a_session_there_is_nothing(visitor: Browser) -> None:
    """The page's files are for all, the API is for operators; a wrong token opens nothing, a producer's neither."""
    for path in READS:
        answer = await visitor.get(path)
        assert (answer.status, answer.problem) == (401, "signed-out"), path
    for path in WRITES:
        answer = await visitor.post(path, {})
        assert (answer.status, answer.problem) == (401, "signed-out"), path
    answer = await visitor.sign_in_with("lockstep-operator-nobody")
    assert (answer.status, answer.problem) == (401, "bad-token")
    assert (await visitor.ask("GET", "/lockstep.mjs")).status == 200


async def test_a_session_and_its_end(visitor: Browser, console: Served) -> None:
    """The cookie is out of reach of scripts and of other sites; after signing out it opens nothing."""
    answer = await visitor.sign_in("reader")
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert console.tokens["reader"] not in cookie
    assert (await visitor.get("session")).body == answer.body == answer.body | {"name": "reader", "may": ["read"]}
    assert (await visitor.ask("DELETE", "/api/v1/session")).status == 204
    assert (await visitor.get("session")).status == 401


async def test_what_comes_from_another_site_is_refused(writer: Browser) -> None:
    """By what the browser says of it, with a good cookie; and without the page's own token."""
    foreign = [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
               {"Sec_Fetch_Site": "", "Origin": "https://evil.example"}]  # fmt: skip
    for headers in foreign:
        for answer in (await writer.get("topology", **headers), await writer.post("what-if", {}, **headers)):
            assert (answer.status, answer.problem) == (403, "cross-site"), headers
    answer = await writer.post("session", {"token": "x"}, Sec_Fetch_Site="cross-site")
    assert answer.problem == "cross-site"
    for headers in ({"Sec_Fetch_Site": ""}, {"Sec_Fetch_Site": "none"}):  # nobody says that it is the page
        assert (await writer.post("what-if", {}, **headers)).problem == "cross-site"
    for path in WRITES:
        for csrf in ("", "wrong"):
            answer = await writer.post(path, {}, X_CSRF_Token=csrf)
            assert (answer.status, answer.problem) == (403, "csrf"), path


async def test_an_old_browser_says_where_it_comes_from_by_its_origin(writer: Browser) -> None:
    """Without Sec-Fetch-Site the origin must be the console's own."""
    own = writer.served.url
    answer = await writer.post("what-if", {"use_case": "nothing"}, Sec_Fetch_Site="", Origin=own)
    assert (answer.status, answer.problem) == (404, "unknown-use-case")


async def test_who_may_only_look_changes_nothing(reader: Browser) -> None:
    """Replay, discard and tokens need the right to write; dry runs do not."""
    for path in ("dead-letters/0/0/replay", "dead-letters/0/0/discard", "play/token"):
        answer = await reader.post(path, {"confirm": True})
        assert (answer.status, answer.problem) == (403, "not-allowed"), path
    assert (await reader.post("what-if", {"use_case": "my-list", "minutes": 1})).status == 200


async def test_an_operator_who_is_gone_is_gone_at_once(visitor: Browser, running: System) -> None:
    """A fresh token takes the place of the old one, whose sessions end when the file is read again."""
    token = running.pipeline.command("operator", "passing").strip()
    assert (await visitor.sign_in_with(token)).status == 200
    fresh = running.pipeline.command("operator", "passing").strip()
    async with Browser(visitor.served) as other:
        await other.sign_in_with("lockstep-operator-unknown")  # the file is looked at
        assert (await other.sign_in_with(fresh)).status == 200
    assert (await visitor.get("session")).problem == "signed-out"


async def test_every_answer_tells_the_browser_to_be_careful(visitor: Browser) -> None:
    """The page, the API and errors; nothing of another origin is loaded but what the edge says to devices."""
    for path in ("/", "/lockstep.mjs", "/api/v1/topology", "/nothing.js", "/../settings.py", "/%2e%2e/server.py"):
        answer = await visitor.ask("GET", path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.status in (200, 401, 404), path
    for path in ("/door.py", "/%2e%2e/server.py", "/page", "/api/v1/nothing"):
        assert (await visitor.ask("GET", path)).status in (401, 404), path


async def test_requests_that_make_no_sense(writer: Browser) -> None:
    """Each says what is wrong with it."""
    asked = {
        "search?q=": (400, "bad-q"),
        f"search?q={'x' * 600}": (400, "bad-q"),
        "events/99/0": (404, "unknown-partition"),
        "events/x/0": (400, "bad-place"),
        "events/0/999999": (404, "not-found"),
        "dead-letters?reason=nothing": (400, "bad-reason"),
        "dead-letters?limit=0": (400, "bad-limit"),
        "dead-letters/0/999999": (404, "not-found"),
        f"accounts/{'x' * 200}": (400, "malformed-account"),
    }
    for path, expected in asked.items():
        answer = await writer.get(path)
        assert (answer.status, answer.problem) == expected, path
    posted: list[tuple[str, object, tuple[int, str]]] = [
        ("what-if", {"use_case": "my-list", "max_age": "soon"}, (400, "malformed-body")),
        ("what-if", {"use_case": "my-list", "lane": "fast"}, (400, "bad-rules")),
        ("what-if", {"use_case": "viewing-activity", "merge": "union"}, (400, "bad-rules")),
        ("accounts/a/simulate", {"typ": "x"}, (400, "malformed-body")),
        (f"accounts/{'x' * 200}/simulate", {"type": "x"}, (400, "malformed-account")),
        ("dead-letters/0/0/replay", {"confirm": False}, (400, "not-confirmed")),
        ("dead-letters/0/999999/discard", {"confirm": True}, (404, "not-found")),
        ("play/token", {"account": "a", "device": "b", "type": "toaster"}, (400, "unknown-device-type")),
        ("play/token", {"account": "a{", "device": "b", "type": "tv"}, (400, "malformed-device")),
        ("session", {"token": "x" * 5000}, (413, "body-too-large")),
        ("session", {"user": "x"}, (400, "malformed-body")),
    ]
    for path, body, expected in posted:
        answer = await writer.post(path, body)
        assert (answer.status, answer.problem) == expected, (path, answer.body)
