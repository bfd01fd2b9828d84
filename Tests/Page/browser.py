"""A headless Chromium, driven by its DevTools protocol over two pipes: no driver, no port."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

# A machine that is three times slower, and busy, is still waited for.
PATIENCE = 60


class Gone(Exception):
    """The browser has ended."""


class Browser:
    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise SystemExit("there is no chromium here: .ci/scripts/packages page installs it")
        self.home = tempfile.mkdtemp(prefix="hearth-chromium.")
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        command = [
            "/bin/sh", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "sh",
            program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.home}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
        ]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # it refuses to run as root with one
        self.process = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.home})
        os.close(to_browser)
        os.close(from_browser)
        self.number = 0
        self.answers = {}
        self.pages = {}
        self.lock = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        buffer = b""
        while chunk := os.read(self.input, 1 << 16):
            buffer += chunk
            *messages, buffer = buffer.split(b"\0")
            for message in map(json.loads, messages):
                with self.lock:
                    if "id" in message:
                        self.answers[message["id"]] = message
                    elif page := self.pages.get(message.get("sessionId")):
                        page.events.append(message)
                    self.lock.notify_all()
        with self.lock:
            self.answers = None
            self.lock.notify_all()

    def ask(self, method, session=None, **parameters):
        with self.lock:
            self.number += 1
            number = self.number
            message = {"id": number, "method": method, "params": parameters}
            if session:
                message["sessionId"] = session
            os.write(self.output, json.dumps(message).encode() + b"\0")
            if not self.lock.wait_for(lambda: self.answers is None or number in self.answers, PATIENCE):
                raise TimeoutError(f"{method} was not answered")
            if self.answers is None:
                raise Gone(method)
            answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, url, **looks):
        return Page(self, url, **looks)

    def close(self):
        try:
            self.ask("Browser.close")
        except (Gone, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


class Page:
    def __init__(self, browser, url, width=1280, height=900, dark=False, mobile=False):
        self.browser = browser
        self.events = []
        self.target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        # A hidden page draws nothing.
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        self.look(width, height, dark, mobile)
        self.ask("Page.navigate", url=url)

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def look(self, width, height, dark=False, mobile=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, mobile=mobile,
                 deviceScaleFactor=2 if mobile else 1)
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def evaluate(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, expression, what):
        """Waits until an expression is true in the page; what it was last is told where it never is."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self.evaluate(f"!!({expression})"):
                    return
            except RuntimeError:
                pass  # between two documents there is nothing to ask
            if time.monotonic() > deadline:
                text = self.evaluate("document.body.innerText.slice(0, 1500)")
                raise AssertionError(f"never seen: {what} ({expression}). The page says:\n{text}")
            time.sleep(0.1)

    def picture(self, path):
        """The whole page, beyond what the window shows."""
        # Two frames: what was asked for is laid out and drawn.
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self):
        """What the console was told: errors and warnings of the page, of its policy, and of the network."""
        found = []
        for event in list(self.events):
            parameters = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(("exception", json.dumps(parameters["exceptionDetails"])))
            elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(("console", json.dumps(parameters["args"])))
            elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                entry = parameters["entry"]
                found.append((entry["source"], f"{entry['text']} {entry.get('url', '')}"))
        return found

    def addresses(self):
        """Everything that was asked of anybody."""
        return {event["params"]["request"]["url"] for event in list(self.events)
                if event["method"] == "Network.requestWillBeSent"}

    def close(self):
        self.browser.ask("Target.closeTarget", targetId=self.target)
