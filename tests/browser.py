"""Headless Chromium, told what to do over two pipes (the DevTools protocol: JSON messages that end in a zero byte)."""

import base64
import json
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import pytest

#: What the program is called on the systems that have it.
NAMES = ("chromium", "chromium-browser", "google-chrome")

#: Seconds that anything may take.
PATIENCE = 60.0


class Browser:
    """One page in a window without a screen."""

    def __init__(self) -> None:
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip("Chromium is not installed (apt install chromium)")
        self._folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        command = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._folder.name}",
        ]
        # The browser reads orders from descriptor 3 and answers on 4.
        shell = ["sh", "-c", 'exec "$0" "$@" 3<&0 4>&1 >/dev/null', *command, "about:blank"]
        self._process = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self._left, self._number, self._session = b"", 0, ""
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        targets = self.tell("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.tell("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")
        return self

    def __exit__(self, *problem: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)
        self._folder.cleanup()

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give one order, and return what came of it."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters, **({"sessionId": self._session} if self._session else {})}
        self._process.stdin.write(json.dumps(order).encode() + b"\0")
        while (told := self._next()).get("id") != self._number:
            self._listen(told)
        assert "error" not in told, f"{method}: {told['error']}"
        result: dict[str, Any] = told["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            assert select.select([self._process.stdout], [], [], PATIENCE)[0], "the browser does not answer"
            data = self._process.stdout.read(1 << 20)
            assert data, "the browser ended"
            self._left += data
        message, _, self._left = self._left.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told

    def _listen(self, told: dict[str, Any]) -> None:
        if told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(told["params"]["exceptionDetails"]["text"])
        elif told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            self.complaints.append(f"{told['params']['entry']['text']} {told['params']['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        """Go to a page."""
        self.value("window.left = true")  # the page before may be there, and complete, for a moment more
        self.tell("Page.navigate", url=url)
        self.until("!window.left && document.readyState === 'complete' && document.body !== null")

    def window(self, width: int, height: int, *, dark: bool, phone: bool = False) -> None:
        """The size of what is seen, its colours, and whether it is touched by fingers."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.tell("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is."""
        told = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait for an expression to be true."""
        end = time.monotonic() + PATIENCE
        while not self.value(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.05)

    def screenshot(self, path: Path) -> None:
        """What is seen, as a PNG."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))
