"""A real Chromium without a screen, spoken to by way of chromedriver's WebDriver interface.

Each browser has a profile of its own and asks nothing of the network by itself.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FLAGS = """
--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update
--disable-sync --no-first-run --disable-dev-shm-usage --disable-default-apps --hide-scrollbars
"""

# chromedriver is on the loopback interface, so a proxy of the environment must not apply.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def programs() -> tuple[str, str] | None:
    """Return the paths of chromedriver and Chromium; None where one is missing."""
    driver = shutil.which("chromedriver")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    return (driver, browser) if driver and browser else None


@dataclass
class Browser:
    """A Chromium; a context manager.

    Parameters:
        profile: an empty folder of its own.
    """

    profile: Path
    _driver: subprocess.Popen[str] | None = field(default=None, repr=False)
    _session: str = ""

    def __enter__(self) -> Browser:
        found = programs()
        assert found is not None, "chromium and chromedriver are not installed"
        driver, browser = found
        self._driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if port := re.search(r"started successfully on port (\d+)", line):
                break
        else:
            raise AssertionError("chromedriver did not start")
        self._session = f"http://127.0.0.1:{port[1]}"
        options = {
            "binary": browser,
            "args": [*_FLAGS.split(), f"--user-data-dir={self.profile}"],
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session += f"/session/{made['sessionId']}"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._driver is not None
        try:
            self._call(urllib.request.Request(self._session, method="DELETE"))
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            if self._driver.stdout is not None:
                self._driver.stdout.close()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        head = {"Content-Type": "application/json"}
        return self._call(urllib.request.Request(self._session + path, data, head))

    def _call(self, request: urllib.request.Request) -> Any:
        try:
            with _OPENER.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode("utf-8", "replace")[:2000]) from error

    def open(self, page: Path) -> None:
        """Open a file."""
        self._post("/url", {"url": page.as_uri()})

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a JavaScript function in the page and return what it returns."""
        return self._post("/execute/sync", {"script": script, "args": arguments})

    def cdp(self, method: str, **parameters: object) -> Any:
        """Send a command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", {"cmd": method, "params": parameters})

    def click(self, selector: str) -> None:
        """Click the first element that the CSS selector finds, as a mouse would."""
        found = self._post("/element", {"using": "css selector", "value": selector})
        (identity,) = found.values()
        self._post(f"/element/{identity}/click", {})

    def logs(self, kind: str) -> list[dict[str, Any]]:
        """Return what came since the last call: of the console (``browser``) or ``performance``."""
        entries: list[dict[str, Any]] = self._post("/se/log", {"type": kind})
        return entries
