"""Starts the service on a free port, asks it, and ends it as an operator would."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

with tempfile.TemporaryDirectory() as folder:
    ready = os.path.join(folder, "ready")
    service = subprocess.Popen([sys.argv[1], "--http.address=127.0.0.1", "--http.port=0", "--ready_file=" + ready,
                                "--drain.propagation_delay=0s"])
    try:
        while not os.path.exists(ready):
            assert service.poll() is None, "the service ended before it was ready"
            time.sleep(0.02)
        with open(ready, encoding="utf-8") as file:
            url = json.load(file)["listeners"][0]["url"]
        with urllib.request.urlopen(url + "/hello/ada", timeout=10) as answer:
            assert answer.status == 200 and answer.read() == b"hello ada\n"
        with urllib.request.urlopen(url + "/health", timeout=10) as answer:
            assert json.load(answer)["status"] == "healthy"
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=30) == 0
    finally:
        service.kill()
