"""The market as its operators see it: what it prints works, and it comes and goes without losing a request."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from program import Program, wait_until

MARKET = sys.argv[1]
FREE_PORT = ["--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0"]


def market(*flags, environment=None):
    return Program([MARKET, *FREE_PORT, *flags], environment)


def run(*flags, environment=None):
    """What it says when it is not to stay: (exit status, standard output, standard error)."""
    done = subprocess.run([MARKET, *flags], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout, done.stderr


class Market(unittest.TestCase):
    def test_the_printed_commands_work(self):
        with market() as program:
            wait_until(lambda: "Ctrl-C finishes" in program.said())
            commands = re.findall(r"^  ((?:curl|ID=).*)$", program.said(), re.MULTILINE)
            self.assertEqual(len(commands), 11)
            first, then = [each.replace("curl ", "curl --silent ", 1) for each in commands[:8]], commands[8:]
            script = "\necho; echo ----\n".join(first)
            answers = subprocess.run(["bash", "-ec", script], capture_output=True, text=True,
                                     check=True).stdout.split("\n----\n")
            self.assertIn("201 Created", answers[0])
            self.assertEqual(json.loads(answers[1])["meta"], {"page": 1, "limit": 20, "total": 1, "pages": 1})
            self.assertEqual(json.loads(answers[2]), {"error": {"code": "USER_NOT_FOUND", "message": "User not found"}})
            self.assertEqual(json.loads(answers[3])["status"], "healthy")
            self.assertIn("weft_http_server_requests_total", answers[4])
            self.assertIn("201 Created", answers[6])
            self.assertEqual(json.loads(answers[7])["data"]["posts"][0]["title"], "Notes")
            wait_until(lambda: program.call("notifications", "GET", "/api/notifications")[1]["meta"]["total"] == 1)
            wait_until(lambda: program.call("users", "GET", "/api/users")[1]["data"][0]["post_count"] == 1)
            script = "\necho; echo ----\n".join(each.replace("curl ", "curl --silent ", 1) for each in then)
            answers = subprocess.run(["bash", "-ec", script], capture_output=True, text=True,
                                     check=True).stdout.split("\n----\n")
            self.assertEqual(json.loads(answers[0])["data"][0]["to"], "ada@example.com")
            self.assertEqual(json.loads(answers[1])["data"][0]["post_count"], 1)
            self.assertIn('group="notifications.welcome"', answers[2])
            self.assertIn("--faults.enabled=true", program.said())
            program.signal(signal.SIGINT)
            self.assertEqual(program.wait(), 0)

    def test_users(self):
        with market() as program:
            status, made, fields = program.call("users", "POST", "/api/users", {"name": "Ada", "email": "ada@example.com"})
            self.assertEqual((status, made["success"], made["data"]["post_count"]), (201, True, 0))
            path = "/api/users/" + made["data"]["id"]
            self.assertEqual(fields["Location"], path)
            self.assertTrue(fields["X-Correlation-ID"])
            self.assertEqual(program.call("users", "GET", path)[1], made)
            status, changed, _ = program.call("users", "PATCH", path, {"name": "Ada Lovelace"})
            self.assertEqual((status, changed["data"]["name"]), (200, "Ada Lovelace"))
            self.assertEqual(program.call("users", "POST", "/api/users", "{")[0], 400)
            self.assertEqual(program.call("users", "DELETE", path)[0], 204)
            self.assertEqual(program.call("users", "GET", path)[0], 404)
            self.assertEqual(program.call("users", "PUT", path, {})[0], 405)
            self.assertEqual(program.call("users", "GET", "/health/live")[:2], (200, {"status": "alive"}))
            self.assertEqual(program.call("users", "GET", "/health/ready")[:2], (200, {"status": "ready"}))
            self.assertEqual(program.drain(), 0)

    def test_a_drain_loses_no_request(self):
        with market("--drain.propagation_delay=1s") as program:
            slow = program.connect("users")
            text = json.dumps({"name": "Ada", "email": "ada@example.com"})
            slow.putrequest("POST", "/api/users")
            slow.putheader("Content-Length", str(len(text)))
            slow.endheaders(text[:10].encode())
            wait_until(lambda: "requests_in_flight 2" in program.call("users", "GET", "/metrics")[1])

            program.signal(signal.SIGTERM)
            wait_until(lambda: program.call("users", "GET", "/health/ready")[0] == 503)
            status, report, _ = program.call("users", "GET", "/health")
            self.assertEqual((status, report["status"]), (503, "unhealthy"))
            self.assertEqual(report["checks"]["serving"]["error"], "the service is draining")
            # Requests are still taken, for those who have not noticed.
            self.assertEqual(program.call("users", "GET", "/api/users")[0], 200)

            wait_until(lambda: '"phase":"finishing"' in program.said())
            wait_until(lambda: refused(program))
            slow.send(text[10:].encode())
            answer = slow.getresponse()
            self.assertEqual((answer.status, answer.headers["Connection"]), (201, "close"))
            self.assertEqual(json.loads(answer.read())["data"]["name"], "Ada")
            slow.close()
            self.assertEqual(program.wait(), 0)
            self.assertIn('"phase":"ended"', program.said())

    def test_a_second_signal_ends_at_once(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with market("--drain.propagation_delay=1h") as program:
                program.signal(number)
                wait_until(lambda: '"phase":"propagating"' in program.said())
                program.signal(number)
                self.assertEqual(program.wait(), -number)

    def test_what_stands_in_the_way_of_a_start_is_told(self):
        with market() as program:
            port = program.listeners["users"].rsplit(":", 1)[1]
            status, _, said = run("--users.http.port=" + port, "--posts.http.port=0", "--notifications.http.port=0")
            self.assertEqual(status, 1)
            self.assertIn("Address already in use", said)
            self.assertIn("127.0.0.1:" + port, said)
        status, _, said = run("--users.http.tls.certificate=/not/there.pem", "--users.http.tls.key=/not/there.key")
        self.assertEqual(status, 1)
        self.assertIn("/not/there", said)

    def test_a_wrong_configuration_is_told_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "mine.yaml")
            with open(file, "w", encoding="utf-8") as out:
                out.write("users:\n  http:\n    port: eighty\n    adress: 127.0.0.1\n")
            status, _, said = run("--config", file, environment={"WEFT_CORES": "many"})
        self.assertEqual(status, 2)
        self.assertEqual(said.splitlines()[1:], [
            file + ':3:11: users.http.port: expected a whole number from 0 to 65535, got "eighty"',
            'WEFT_CORES: cores: expected a whole number from 0 to 65535, got "many"',
            file + ':4:13: users.http.adress: unknown field; did you mean "address"?'])

    def test_the_configuration_can_be_seen(self):
        status, said, _ = run("--print-config-schema")
        self.assertEqual((status, json.loads(said)["$schema"]),
                         (0, "https://json-schema.org/draft/2020-12/schema"))
        status, said, _ = run("--print-config", environment={"WEFT_USERS_MAX_USERS": "7"})
        self.assertEqual(status, 0)
        self.assertIn("max_users: 7  # WEFT_USERS_MAX_USERS", said)
        self.assertEqual(run("--check-config")[:2], (0, "the configuration is fine\n"))
        self.assertIn("--users.http.port=INTEGER   (8081)", run("--help")[1])
        self.assertEqual(run("--version")[:2], (0, "market 0.1\n"))

    def test_management_may_have_a_port_of_its_own(self):
        with market("--management.port=0", "--management.address=127.0.0.1") as program:
            self.assertEqual(program.call("management", "GET", "/health")[0], 200)
            self.assertEqual(program.call("users", "GET", "/health")[0], 404)
            self.assertEqual(program.call("users", "GET", "/metrics")[0], 404)
            self.assertEqual(program.drain(), 0)


def refused(program):
    connection = program.connect("users")
    try:
        connection.connect()
        return False
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
