"""A program of weft's under test: started on a free port, asked over HTTP, ended by signals."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

PATIENCE = 60  # seconds for what takes milliseconds; a loaded machine under a sanitizer is slow


class Program:
    """`with Program([path, flag...]) as market: market.call("GET", "/health")`."""

    def __init__(self, command, environment=None):
        self.folder = tempfile.mkdtemp()
        ready = os.path.join(self.folder, "ready")
        self.output = open(os.path.join(self.folder, "output"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([*command, "--ready_file=" + ready], stdout=self.output,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        env={**os.environ, **(environment or {})})
        wait_until(lambda: os.path.exists(ready) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError("it ended with {}:\n{}".format(self.process.returncode, self.said()))
        with open(ready, encoding="utf-8") as file:
            self.listeners = {each["name"]: each["url"] for each in json.load(file)["listeners"]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.folder)

    def connect(self, listener):
        place = urllib.parse.urlsplit(self.listeners[listener])
        return http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)

    def call(self, listener, method, path, content=None, fields=None):
        """(status, content as JSON, fields)."""
        connection = self.connect(listener)
        try:
            body = content if content is None or isinstance(content, str) else json.dumps(content)
            connection.request(method, path, body, fields or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text, answer.headers
        finally:
            connection.close()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(timeout=PATIENCE)

    def drain(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def said(self):
        self.output.flush()
        with open(self.output.name, encoding="utf-8") as file:
            return file.read()


def wait_until(condition):
    """Polls, since a process tells nobody when it has done something."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not happen within {} s".format(PATIENCE))
        time.sleep(0.01)
