"""A real browser without a window: Debian's Chromium, driven by WebDriver.

    with Browser(directory) as browser:
        browser.open(page)
        browser.press("right")

It writes down every error of the console and every request, and nothing of it
outlives the `with`: all its processes carry a mark and are ended by it.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Optional, Tuple

from machine import deadlines

MARK = "THRESHOLD_BROWSER"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"

# What a page may ask for without asking anyone outside.
INSIDE = ("file:", "data:", "blob:", "about:", "chrome:",
          "chrome-untrusted:")

ARGUMENTS = [
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--hide-scrollbars",
    # No name leads anywhere, whoever asks.
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


def missing() -> Optional[str]:
    """Why there is no browser here, as a reason to skip; None if there is one."""
    lack = [name for name, found in (
        ("chromium", _chromium()), (DRIVER, shutil.which(DRIVER)),
        ("python3-selenium", _selenium())) if not found]
    if lack:
        return f"no browser to drive here: without {', '.join(lack)}"
    return None


def _chromium() -> Optional[str]:
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def _selenium() -> bool:
    try:
        import selenium  # noqa: F401 # pylint: disable=unused-import
    except ImportError:
        return False
    return True


class Browser:
    """One Chromium; `directory` is for its profile."""

    def __init__(self, directory: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chromium.remote_connection import (
            ChromiumRemoteConnection)
        self._mark = uuid.uuid4().hex
        self._driver_process = subprocess.Popen(
            [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, MARK: self._mark, "TMPDIR": str(directory)})
        self._watch = threading.Timer(deadlines.browser(), self._kill)
        self._watch.daemon = True
        self._watch.start()
        try:
            options = webdriver.ChromeOptions()
            options.binary_location = _chromium()
            for argument in [*ARGUMENTS, f"--user-data-dir={directory}/profile"]:
                options.add_argument(argument)
            if os.getuid() == 0:
                options.add_argument("--no-sandbox")  # Chromium refuses root otherwise
            options.set_capability("goog:loggingPrefs",
                                   {"browser": "ALL", "performance": "ALL"})
            self.driver: Any = webdriver.Remote(
                ChromiumRemoteConnection(f"http://127.0.0.1:{self._port()}",
                                         browser_name="chrome", vendor_prefix="goog"),
                options=options)
            self.driver.set_page_load_timeout(deadlines.answer())
            self.driver.set_script_timeout(deadlines.answer())
        except BaseException:
            self.close()
            raise
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._look: Optional[Tuple[int, int, bool, bool]] = None

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _port(self) -> int:
        """What the driver says that it listens on."""
        stdout = self._driver_process.stdout
        assert stdout
        until, said = time.monotonic() + deadlines.answer(), b""
        while time.monotonic() < until:
            if select.select([stdout], [], [], 0.2)[0]:
                data = os.read(stdout.fileno(), 4096)
                said += data
                found = re.search(rb"successfully on port (\d+)", said)
                if found:
                    return int(found[1])
                if not data:
                    break
        raise RuntimeError(f"chromedriver did not start: {said.decode()}")

    def close(self) -> None:
        """Ends the browser and whatever it has started."""
        try:
            if hasattr(self, "driver"):
                self.driver.quit()
        except Exception:  # it may be dead, or hang; the mark finds it
            pass
        self._watch.cancel()
        self._kill()
        self._driver_process.wait(deadlines.answer())

    def _kill(self) -> None:
        mark = f"{MARK}={self._mark}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue

    # ---- pages ----

    def open(self, page: Path) -> None:
        """Loads a file, to its end; what was logged before stays in the log."""
        address = page.resolve().as_uri()
        self.driver.get(address)
        # On a busy machine the driver comes back from one page too early.
        self.eventually("return document.readyState + ' ' + location.href.split('#')[0];",
                        f"complete {address}")

    def run(self, script: str, *arguments: Any) -> Any:
        """JavaScript in the page; `player` is its trace player."""
        return self.driver.execute_script(
            "const player = document.querySelector('trace-player, stub-trial');" + script,
            *arguments)

    def eventually(self, script: str, wanted: object) -> object:
        """What a script returns, once that is what is wanted; what it returns in the
        end, if that does not come."""
        until = time.monotonic() + deadlines.answer()
        while (found := self.run(script)) != wanted and time.monotonic() < until:
            self.settle()
        return found

    def settle(self) -> None:
        """Waits until what was changed has been drawn."""
        self.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]));")

    def press(self, *keys: str) -> None:
        """Keys, one after another, to whatever has the focus: "right", "page_down",
        "b"."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys
        chain = ActionChains(self.driver, duration=0)
        for key in keys:
            chain.send_keys(key if len(key) == 1 else getattr(Keys, key.upper()))
        chain.perform()

    def look(self, width: int, height: int, *, dark: bool = False,
             phone: bool = False) -> None:
        """The size of the window in CSS pixels, and what the system prefers."""
        if self._look == (width, height, dark, phone):
            return
        self._look = (width, height, dark, phone)
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=phone)
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.settle()

    def cdp(self, command: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute(
            "executeCdpCommand", {"cmd": command, "params": parameters})["value"]

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.settle()
        self.driver.save_screenshot(str(path))

    # ---- what the page did ----

    def collect(self) -> Tuple[list[str], list[str]]:
        """The console's errors and the requests to the outside, since the start."""
        for entry in self._log("browser"):
            if entry["level"] in ("SEVERE", "WARNING"):
                self.errors.append(entry["message"])
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent",
                                     "Network.webSocketCreated"):
                url = (message["params"].get("request") or message["params"])["url"]
                if not url.startswith(INSIDE):
                    self.requests.append(url)
        return self.errors, self.requests

    def _log(self, kind: str) -> list[Any]:
        """What was logged since this was last asked."""
        entries: list[Any] = self.driver.execute("getLog", {"type": kind})["value"]
        return entries
