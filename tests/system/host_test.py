"""What the host does for any program, tried from outside: examples/1_hello and the market."""
import http.server
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

from program import Program, wait_until

HELLO, MARKET = (os.path.abspath(each) for each in sys.argv[1:3])
HERE = ["--http.address=127.0.0.1", "--drain.propagation_delay=0s"]
FREE_PORT = ["--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0"]


def run(*command):
    """What it says when it is not to stay: (exit status, standard output, standard error)."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


class Host(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # G8
    def test_routes_of_one_core_run_with_several(self):
        with Program([HELLO, *HERE, "--http.port=0", "--cores=2"]) as hello:
            for _ in range(10):
                self.assertEqual(hello.call("hello", "GET", "/hello/ada")[:2], (200, "hello ada\n"))
            self.assertEqual(hello.drain(), 0)

    # A20
    def test_two_programs_do_not_share_a_port(self):
        with Program([HELLO, *HERE, "--http.port=0", "--cores=2", "--management.address=127.0.0.1",
                      "--management.port=0"]) as first:
            # The management listener is on both cores.
            port = urllib.parse.urlsplit(first.listeners["management"]).port
            status, _, said = run(HELLO, *HERE, "--http.port=0", "--cores=2", "--management.address=127.0.0.1",
                                  f"--management.port={port}")
            self.assertEqual(status, 1)
            self.assertIn("another process listens there: stop it, or choose another address", said)

    # G2
    def test_misspelt_and_missing_policies_are_refused(self):
        misspelt = self.write("misspelt.yaml", "policies:\n  post: {timeout: {after: 1s}}\n")
        for request in (["--check-config"], []):
            status, _, said = run(MARKET, *FREE_PORT, "--config", misspelt, *request)
            self.assertEqual(status, 2)
            self.assertIn("policies.post: the program asks for no policy of this name; did you mean \"posts\"?", said)

    # G11
    def test_what_is_printed_is_configuration_except_for_secrets(self):
        status, printed, _ = run(MARKET, "--users.database=postgres://market:hunter2@127.0.0.1/market", "--print-config")
        self.assertEqual(status, 0)
        self.assertNotIn("hunter2", printed)
        path = self.write("printed.yaml", printed)
        status, _, said = run(MARKET, "--config", path, "--check-config")
        self.assertEqual(status, 2)
        self.assertIn("users.database: holds [redacted]", said)
        status, said, _ = run(MARKET, "--config", path, "--users.database=sqlite::memory:", "--check-config")
        self.assertEqual((status, said), (0, "the configuration is fine\n"))

    # A18: a configuration from a pipe is still there when SIGHUP reads it again.
    def test_standard_input_is_configuration(self):
        text = run(HELLO, *HERE, "--log.level=warning", "--print-config")[1]
        done = subprocess.run([HELLO, "--config", "-", "--print-config"], input=text, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("level: warning  # standard input:", done.stdout)

    # A19: a registry that did not hear of the end at the drain's beginning is told again.
    def test_a_deregistration_that_failed_is_tried_again(self):
        asked = []

        class Registry(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append(self.path)
                gone = [path for path in asked if "/deregister/" in path]
                self.send_response(500 if gone and len(gone) == 1 and "/deregister/" in self.path else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as registry:
            threading.Thread(target=registry.serve_forever, daemon=True).start()
            with Program([HELLO, *HERE, "--http.port=0",
                          f"--discovery.registry=consul://127.0.0.1:{registry.server_port}"]) as hello:
                wait_until(lambda: any("/register" in path for path in asked))
                self.assertEqual(hello.drain(), 0)
            registry.shutdown()
        self.assertEqual(len([path for path in asked if "/deregister/" in path]), 2)

    # G14
    def test_the_configuration_beside_the_program_is_found(self):
        program = os.path.join(self.folder, "market")
        os.symlink(MARKET, program)  # the file that runs is the other one: nothing is beside it
        self.assertEqual(run(program, "--check-config")[0], 0)
        copied = os.path.join(self.folder, "copied")
        shutil.copy(MARKET, copied)
        self.write("market.yaml", "cores: none\n")
        status, _, said = run(copied, "--check-config")
        self.assertEqual(status, 2)
        self.assertIn("market.yaml:1:8: cores: expected a whole number", said)

    # C12
    def test_references_stand_within_texts(self):
        path = self.write("x.yaml", "notifications: {smtp: {from: 'market@${env:MAIL_DOMAIN}'}}\n")
        status, _, said = run(MARKET, "--config", path, "--check-config")
        self.assertEqual(status, 2)
        self.assertIn("refers to the environment variable MAIL_DOMAIN, which is not set", said)

    # D, A18
    def test_the_log_level_follows_the_configuration(self):
        path = self.write("level.yaml", "log: {level: warning}\n")
        with Program([HELLO, *HERE, "--http.port=0", "--config", path, "--log.format=json"]) as hello:
            hello.call("hello", "GET", "/hello/ada")
            self.write("level.yaml", "log: {level: info}\n")
            hello.signal(signal.SIGHUP)
            wait_until(lambda: "configuration reloaded" in hello.said())
            self.assertNotIn("/hello/ada", hello.said())
            hello.call("hello", "GET", "/hello/bob")
            wait_until(lambda: "/hello/bob" in hello.said())

    # G10
    def test_a_nul_is_refused_before_it_is_stored(self):
        for database in ("", "sqlite:" + os.path.join(self.folder, "users.db")):
            with Program([MARKET, *FREE_PORT, "--users.database=" + database]) as market:
                wanted = {"name": "a\0b", "email": "ada@example.com"}
                status, said, _ = market.call("users", "POST", "/api/users", wanted, {"Content-Type": "application/json"})
                self.assertEqual((status, said["error"]["details"][0]["field"]), (400, "name"))
                self.assertEqual(market.call("users", "GET", "/api/users?search=%00")[0], 400)

    # G16
    def test_metrics_show_process_and_build(self):
        with Program([HELLO, *HERE, "--http.port=0"]) as hello:
            shown = hello.call("hello", "GET", "/metrics")[1]
            for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                         "process_start_time_seconds", "weft_build_info"):
                self.assertIn("\n" + name, shown)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
