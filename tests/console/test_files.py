"""The page's files: as they are, asked for again only when they change, and nothing but them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.console.files import Files
from edge.problems import problems


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page of three files, and a secret beside it."""
    folder = tmp_path / "page"
    (folder / "parts").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "parts" / "a.js").write_text("export const a = 1;\n" * 100)
    (folder / "notes.md").write_text("not for browsers")
    (tmp_path / "secret.js").write_text("secret")
    return folder


async def test_files_are_served_as_they_are_now(page: Path) -> None:
    """With their types, small for who takes it, not again while they are the same, anew once they change."""
    app = web.Application(middlewares=[problems])
    app.router.add_routes(Files(page).routes())
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        plain = {"Accept-Encoding": "identity"}
        async with client.get("/", headers=plain) as answer:
            assert (answer.status, answer.content_type, await answer.text()) == (200, "text/html", "<!doctype html>")
        async with client.get("/parts/a.js", headers={"Accept-Encoding": "gzip"}) as answer:
            tag, packed = answer.headers["ETag"], await answer.read()
            assert gzip.decompress(packed) == (page / "parts" / "a.js").read_bytes()
            assert answer.headers["Cache-Control"] == "no-cache"
        async with client.get("/parts/a.js", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        (page / "parts" / "a.js").write_text("export const a = 2;\n")
        async with client.get("/parts/a.js", headers=plain | {"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.text()) == (200, "export const a = 2;\n")
        for path in ("/notes.md", "/parts", "/parts/", "/b.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "/api/v1/x.js",
                     "/a%00.js"):  # fmt: skip
            async with client.get(path) as answer:
                assert answer.status == 404, path
