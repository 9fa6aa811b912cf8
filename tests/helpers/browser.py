"""Opens pages in headless Chromium by the protocol of WebDriver, and reads what a person would see, reach and hear.

It needs Debian's packages chromium and chromium-driver, and no package of Python.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

WIDTH, HEIGHT = 1280, 1000
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={WIDTH},{HEIGHT}"]

#: What a page shows. `needed`: the width that it needs; `unscoped`: header cells without a scope; `regions`: names of parts that
#: may scroll; `unreachable`: how many of them no keyboard reaches, or have no name; `unnamed`: pictures and links without a text.
_LOOK = """
const all = (query) => [...document.querySelectorAll(query)];
const named = (element) => (element.getAttribute('aria-label') || element.textContent).trim() !== '';
return {
  title: document.title,
  width: window.innerWidth,
  needed: document.documentElement.scrollWidth,
  headings: all('h1, h2, h3, h4').map(e => e.textContent.trim()),
  cells: all('td').map(e => e.textContent.trim()),
  unscoped: all('th').filter(e => !e.scope).map(e => e.textContent.trim()),
  regions: all('[role=region], section').map(e => e.getAttribute('aria-label')),
  unreachable: all('[role=region], section').filter(e => e.tabIndex < 0 || !named(e)).length,
  unnamed: all('svg[role=img], td a').filter(e => !named(e)).length,
  scripts: [...document.scripts].filter(e => e.textContent.includes('alert(')).length,
};
"""


def missing() -> bool:
    return not (shutil.which("chromedriver") and shutil.which("chromium"))


#: Marks tests in a browser.
of_chromium = pytest.mark.skipif(missing(), reason="no browser: apt-get install chromium chromium-driver")


class Browser:
    """A session of headless Chromium."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        options = {"goog:chromeOptions": {"args": _ARGUMENTS}, "goog:loggingPrefs": {"browser": "ALL"}}
        session = {"capabilities": {"alwaysMatch": {**options, "unhandledPromptBehavior": "ignore"}}}
        self._path = f"/session/{self._call('POST', '/session', session)['sessionId']}"

    def look(self, address: str) -> dict[str, Any]:
        """Returns what `_LOOK` finds on a page, and `errors`: what the browser reported of it."""
        self._call("POST", f"{self._path}/url", {"url": address})
        found: dict[str, Any] = self._call("POST", f"{self._path}/execute/sync", {"script": _LOOK, "args": []})
        reported = self._call("POST", f"{self._path}/se/log", {"type": "browser"})
        return {**found, "errors": [entry["message"] for entry in reported if entry["level"] == "SEVERE"]}

    def close(self) -> None:
        self._call("DELETE", self._path)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


@contextmanager
def browser() -> Iterator[Browser]:
    """Yields a browser, which ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not _listens(port):
            assert driver.poll() is None and time.monotonic() < end, "chromedriver does not start"
            time.sleep(0.05)
        opened = Browser(port)
        yield opened
        opened.close()
    finally:
        driver.terminate()
        driver.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
