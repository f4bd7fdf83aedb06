"""Starts the service on a free port, uses every route, and ends it as an operator would."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def call(method, url, content=None):
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text, status = answer.read(), answer.status
    except urllib.error.HTTPError as answer:
        text, status = answer.read(), answer.code
    return status, json.loads(text) if text else None


def use(url):
    status, note = call("POST", url + "/notes", {"title": "buy milk", "tags": ["home"]})
    assert (status, note["id"], note["title"]) == (201, 1, "buy milk"), note
    assert call("GET", url + "/notes/1") == (200, note)
    assert call("POST", url + "/notes", {"title": "", "tags": []})[0] == 400
    status, answer = call("POST", url + "/notes", {"title": 7, "tags": []})
    assert status == 400 and "$.title: expected a string" in answer["error"]["message"], answer
    assert call("POST", url + "/notes", {"title": "call bob", "tags": []})[0] == 201
    status, answer = call("POST", url + "/notes", {"title": "one too many", "tags": []})
    assert (status, answer["error"]["code"]) == (429, "RESOURCE_EXHAUSTED"), answer
    assert [one["id"] for one in call("GET", url + "/notes")[1]] == [1, 2]
    assert [one["id"] for one in call("GET", url + "/notes?tag=home")[1]] == [1]
    assert call("DELETE", url + "/notes/1") == (204, None)
    assert call("GET", url + "/notes/1")[0] == 404
    assert call("GET", url + "/notes/one")[0] == 400
    assert call("PUT", url + "/notes/1", {})[0] == 405


with tempfile.TemporaryDirectory() as folder:
    ready = os.path.join(folder, "ready")
    service = subprocess.Popen([sys.argv[1], "--http.address=127.0.0.1", "--http.port=0", "--ready_file=" + ready,
                                "--drain.propagation_delay=0s"], env={**os.environ, "WEFT_MAX_NOTES": "2"})
    try:
        while not os.path.exists(ready):
            assert service.poll() is None, "the service ended before it was ready"
            time.sleep(0.02)
        with open(ready, encoding="utf-8") as file:
            use(json.load(file)["listeners"][0]["url"])
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=30) == 0
    finally:
        service.kill()
