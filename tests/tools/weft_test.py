"""The program weft, run as its users run it: over a file of sqlite: and over a real RabbitMQ.

    weft_test.py <weft> <refusing_consumer>       the RabbitMQ at WEFT_RABBITMQ_PORT
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from program import PATIENCE, wait_until  # noqa: E402

WEFT, CONSUMER = sys.argv[1:3]
RABBITMQ_PORT = os.environ.get("WEFT_RABBITMQ_PORT", "24672")
PASSWORD = "weft"


class Running:
    """A program that goes on until it is told to end; its output is read while it runs."""

    def __init__(self, command, stdin=subprocess.DEVNULL):
        self.folder = tempfile.mkdtemp()
        self.files = [open(os.path.join(self.folder, name), "w+", encoding="utf-8") for name in ("out", "notes")]
        self.process = subprocess.Popen(command, stdin=stdin, stdout=self.files[0], stderr=self.files[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        for file in self.files:
            file.close()
        shutil.rmtree(self.folder)

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def wait_for(self, name, text):
        wait_until(lambda: text in self.read(name) or self.process.poll() is not None)
        if text not in self.read(name):
            raise AssertionError("it ended with {}: {}{}".format(self.process.returncode, self.read("out"),
                                                                 self.read("notes")))

    def lines(self):
        return self.read("out").splitlines()


class Tools:
    """What holds for every broker; `url` is the broker of one test."""

    def weft(self, *words, status=0, stdin="", url=None):
        done = subprocess.run([WEFT, *words], input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False,
                              env={**os.environ, "WEFT_BROKER": self.url if url is None else url})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn(PASSWORD + "@", done.stdout + done.stderr)
        return done

    def parsed(self, *words, **options):
        return json.loads(self.weft(*words, "--json", **options).stdout)

    def problem(self, *words, status=1, **options):
        """The error that standard error has as JSON, in its last line."""
        done = self.weft(*words, "--json", status=status, **options)
        self.assertEqual(done.stdout, "")
        return json.loads(done.stderr.splitlines()[-1])["error"]

    def consumer(self, group, pattern, *words):
        running = Running([CONSUMER, self.url, group, pattern, *words])
        running.wait_for("out", "ready")
        return running

    def make_dead_letters(self, group, count):
        """Of the topic <group>.made, with the ids d-1, d-2 ..., each of a key of its own."""
        with self.consumer(group, group + ".#"):
            pass
        for number in range(1, count + 1):
            self.weft("publish", group + ".made", '{"number":%d}' % number, "--key", "k%d" % number, "--id",
                      "d-%d" % number, "--header", "tenant=acme")
        with self.consumer(group, group + ".#") as consumer:
            wait_until(lambda: len(consumer.lines()) == count + 1)
            self.assertEqual(sorted(consumer.lines()[1:]), ["d-%d" % n for n in range(1, count + 1)])

    def numbers(self, group):
        return {each["id"]: each["number"] for each in self.parsed("dlq", "list", "--group", group)}

    def depth(self, group):
        return next((each for each in self.parsed("groups") if each["group"] == group), None)

    def test_dead_letters_are_listed_shown_replayed_and_purged(self):
        group = self.name("billing")
        self.make_dead_letters(group, 4)
        listed = self.parsed("dlq", "list", "--group", group)
        self.assertEqual(len(listed), 4)
        self.assertEqual({each["reason"] for each in listed}, {"refused by the test"})
        self.assertEqual(len(self.parsed("dlq", "list", "--group", group, "--limit", "2")), 2)
        self.assertIn("d-3", self.weft("dlq", "list").stdout)
        numbers = self.numbers(group)

        shown = self.parsed("dlq", "show", group, str(numbers["d-2"]))
        self.assertEqual((shown["id"], shown["key"], shown["topic"]), ("d-2", "k2", group + ".made"))
        self.assertEqual(shown["body"], {"number": 2})
        self.assertEqual((shown["event"]["tenant"], shown["event"]["type"]), ("acme", group + ".made"))
        self.assertEqual([(each["code"], each["what"]) for each in shown["failures"]],
                         [("failed_precondition", "no database"), ("failed_precondition", "no such customer")])
        text = self.weft("dlq", "show", group, str(numbers["d-2"])).stdout
        for part in ("reason      refused by the test\n", "no such customer", '{\n  "number": 2\n}\n'):
            self.assertIn(part, text)

        self.assertEqual(self.parsed("dlq", "purge", group, str(numbers["d-1"])), {"group": group, "purged": 1})
        self.assertEqual(self.parsed("dlq", "replay", group, str(numbers["d-3"])), {"group": group, "replayed": 1})
        self.assertEqual(sorted(self.numbers(group)), ["d-2", "d-4"])
        with self.consumer(group, group + ".#") as consumer:
            wait_until(lambda: consumer.lines() == ["ready", "d-3"])
        wait_until(lambda: len(self.numbers(group)) == 3)
        self.assertEqual(self.weft("dlq", "purge", group, "--all").stdout,
                         "purged 3 dead letters of {}\n".format(group))
        self.assertEqual(self.parsed("dlq", "list", "--group", group), [])

    def test_lines_become_messages_in_their_order(self):
        group = self.name("lines")
        with self.consumer(group, group):
            pass
        lines = "".join('{"n":%d}\n' % n for n in range(2000))
        done = self.parsed("publish", group, "--lines", "-", "--key", "one", "--batch", "300", stdin=lines)
        self.assertEqual(done, {"topic": group, "published": 2000, "failed_lines": [], "reasons": []})
        wait_until(lambda: self.ready(group) == 2000)  # RabbitMQ counts a little later
        done = self.weft("publish", group, "--lines", "-", "--json", stdin='1\n{"half\n3\n', status=1)
        said = json.loads(done.stdout)
        self.assertEqual((said["topic"], said["published"], said["failed_lines"]), (group, 1, [2]))
        self.assertIn("invalid_argument: the data is not JSON", said["reasons"][0])
        self.assertIn("the first of them line 2", json.loads(done.stderr)["error"]["message"])

    def ready(self, group):
        depth = self.depth(group)
        return depth["ready"] + depth["in_flight"]

    def test_what_is_said_goes_before_the_environment(self):
        done = self.weft("groups", "--broker", "kafka://elsewhere", status=2)
        self.assertIn("no broker for 'kafka:'", done.stderr)

    def test_what_is_not_there_is_told(self):
        group = self.name("few")
        self.make_dead_letters(group, 1)
        for words in (("show",), ("replay",), ("purge",)):
            problem = self.problem("dlq", *words, group, "4711")
            self.assertEqual(problem["code"], "not_found")
            self.assertIn("4711", problem["message"])
            self.assertIn("weft dlq list --group " + group, problem["remedy"])
        problem = self.problem("dlq", "list", "--group", self.name("nobody"))
        self.assertEqual(problem["code"], "not_found")
        self.assertIn("weft groups", problem["remedy"])
        self.assertEqual(self.problem("publish", self.name("nobody"), "{}", "--mandatory")["code"], "not_found")
        self.assertEqual(len(self.numbers(group)), 1)

    def test_what_makes_no_sense_is_told(self):
        with self.consumer(self.name("anybody"), self.name("anything")):
            pass
        for words, part in ((("publish", "a", "{"), "the data is not JSON"),
                            (("publish", "a b", "{}"), "topic"),
                            (("publish", "a", "{}", "--header", "UPPER=1"), "UPPER"),
                            (("publish", "a", "{}", "--delay", "never"), "--delay"),
                            (("publish", "a", "@/not/there"), "No such file"),
                            (("tail", "a.#b"), "a.#b"),
                            (("dlq", "show", "group", "seven"), "seven"),
                            (("dlq", "replay", "group"), "--all"),
                            (("dlq", "list", "--limit", "many"), "many"),
                            (("mend",), "mend")):
            done = self.weft(*words, status=2)
            self.assertEqual(done.stdout, "")
            self.assertIn(part, done.stderr)
            self.assertIn("weft", done.stderr)

    def test_a_killed_publisher_leaves_what_was_taken(self):
        group = self.name("killed")
        with self.consumer(group, group):
            pass
        with Running([WEFT, "publish", group, "--lines", "-", "--broker", self.url],
                     stdin=subprocess.PIPE) as publisher:
            written = 0
            while written < 10000:  # it takes no more than it can pass on, so some of it has arrived
                publisher.process.stdin.write(b'{"n":%d,"room":"%s"}\n' % (written, b"x" * 200))
                written += 1
            publisher.process.send_signal(signal.SIGKILL)
            publisher.process.wait(timeout=PATIENCE)
        wait_until(lambda: self.ready(group) > 0)
        self.assertLessEqual(self.ready(group), written)


class Sqlite(Tools, unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.url = "sqlite:" + os.path.join(self.folder, "broker.db")

    def tearDown(self):
        shutil.rmtree(self.folder)

    @staticmethod
    def name(what):
        return what

    def test_a_file_that_is_in_use_is_told(self):
        with self.consumer("mail", "#"):
            problem = self.problem("groups")
            self.assertIn("broker.db", problem["message"] + problem["operation"])
            self.assertIn("stop", problem["remedy"])
        self.assertEqual(self.parsed("groups")[0]["group"], "mail")

    def test_a_service_that_has_the_file_may_be_asked(self):
        with self.consumer("mail", "mail.#", "serve") as consumer:
            wait_until(lambda: len(consumer.lines()) == 2)
            place = consumer.lines()[1]
            self.url = "http://:{}@{}".format(PASSWORD, place)
            with Running([WEFT, "tail", "mail.*", "--broker", self.url, "--json", "--count", "1"]) as tail:
                tail.wait_for("notes", "following mail.*")
                self.weft("publish", "mail.sent", '{"n":1}', "--id", "m-1", "--mandatory")
                self.assertEqual(tail.process.wait(timeout=PATIENCE), 0, tail.read("notes"))
                self.assertEqual(json.loads(tail.lines()[0])["body"], {"n": 1})
            wait_until(lambda: "m-1" in self.numbers("mail"))
            number = str(self.numbers("mail")["m-1"])
            shown = self.parsed("dlq", "show", "mail", number)
            self.assertEqual([each["what"] for each in shown["failures"]], ["no database", "no such customer"])
            self.assertEqual(self.parsed("dlq", "purge", "mail", number)["purged"], 1)
            self.assertEqual(self.problem("dlq", "purge", "mail", number)["code"], "not_found")
            self.assertEqual(self.problem("groups", url="http://" + place)["code"], "unauthenticated")
            self.assertEqual(self.problem("groups", url="http://:weft@{}/other".format(place))["code"], "not_found")
        self.assertEqual(self.problem("groups")["code"], "unavailable")

    def test_a_file_that_is_no_broker_is_told(self):
        with open(os.path.join(self.folder, "broker.db"), "w", encoding="utf-8") as file:
            file.write("this is text, and rather more of it than the header of a database would take" * 10)
        self.assertIn("broker.db", self.weft("groups", status=1).stderr)
        self.assertIn("/not/there", self.weft("groups", url="sqlite:/not/there/broker.db", status=1).stderr)


class RabbitMq(Tools, unittest.TestCase):
    def setUp(self):
        self.suffix = uuid.uuid4().hex[:8]
        self.url = "amqp://weft:{}@127.0.0.1:{}/".format(PASSWORD, RABBITMQ_PORT)
        try:
            socket.create_connection(("127.0.0.1", int(RABBITMQ_PORT)), timeout=PATIENCE).close()
        except OSError:
            if os.environ.get("CI"):
                raise
            self.skipTest("no RabbitMQ at port {}; ./dev services start rabbitmq starts one".format(RABBITMQ_PORT))

    def name(self, what):
        return what + "-" + self.suffix

    def test_tail_shows_what_is_published_while_it_runs(self):
        topic = self.name("seen")
        with Running([WEFT, "tail", topic + ".*", "--broker", self.url, "--json"]) as tail:
            tail.wait_for("notes", "following " + topic)
            self.weft("publish", topic + ".first", '{"n":1}', "--key", "k", "--id", "one")
            self.weft("publish", topic + ".second", "-", "--raw", "--header", "x-colour=red", stdin="plain\ntext")
            self.weft("publish", self.name("other"), "{}")
            wait_until(lambda: len(tail.lines()) == 2)
            tail.process.send_signal(signal.SIGINT)
            self.assertEqual(tail.process.wait(timeout=PATIENCE), 0, tail.read("notes"))
            first, second = map(json.loads, tail.lines())
        self.assertEqual((first["id"], first["key"], first["body"]), ("one", "k", {"n": 1}))
        self.assertEqual(first["event"]["type"], topic + ".first")
        self.assertEqual((second["body"], second["headers"]["x-colour"]), ("plain\ntext", "red"))

        with Running([WEFT, "tail", topic + ".#", "--broker", self.url, "--count", "2"]) as tail:
            tail.wait_for("notes", "following " + topic)
            for number in (1, 2):
                self.weft("publish", topic + ".third", str(number), "--id", "t-%d" % number)
            self.assertEqual(tail.process.wait(timeout=PATIENCE), 0, tail.read("notes"))
            self.assertEqual([line.split("  ")[1:] for line in tail.lines()],
                             [[topic + ".third", "-", "t-%d" % n, topic + ".third", str(n)] for n in (1, 2)])

    def test_a_killed_tail_leaves_nothing_behind(self):
        topic = self.name("gone")
        with Running([WEFT, "tail", topic, "--broker", self.url]) as tail:
            tail.wait_for("notes", "following")
            tail.process.send_signal(signal.SIGKILL)
            tail.process.wait(timeout=PATIENCE)
        wait_until(lambda: "not_found" in subprocess.run(
            [WEFT, "publish", topic, "{}", "--mandatory", "--broker", self.url], capture_output=True, text=True,
            check=False, timeout=PATIENCE).stderr)

    def test_a_delay_is_kept(self):
        topic = self.name("later")
        with Running([WEFT, "tail", topic, "--broker", self.url, "--count", "2"]) as tail:
            tail.wait_for("notes", "following")
            self.weft("publish", topic, "1", "--delay", "1s", "--id", "late")
            self.weft("publish", topic, "2", "--id", "early")
            self.assertEqual(tail.process.wait(timeout=PATIENCE), 0, tail.read("notes"))
            self.assertEqual([line.split("  ")[3] for line in tail.lines()], ["early", "late"])

    def test_a_broker_that_cannot_be_reached_is_told(self):
        for url, status in (("amqp://weft:{}@127.0.0.1:1/".format(PASSWORD), 1),
                            ("amqp://weft:{}@no-such-host.invalid/".format(PASSWORD), 1),
                            ("amqp://nobody:{}@127.0.0.1:{}/".format(PASSWORD, RABBITMQ_PORT), 1),
                            ("amqp://weft:{}@127.0.0.1:99999/".format(PASSWORD), 2),
                            ("amqp://weft:{}@127.0.0.1/?no_such_parameter=1".format(PASSWORD), 2),
                            ("memory:", 2), ("kafka://localhost", 2), ("", 2)):
            for words in (("groups",), ("publish", "a", "{}"), ("tail", "a"), ("dlq", "list")):
                problem = self.problem(*words, "--timeout", "2s", url=url, status=status)
                self.assertTrue(problem["message"], url)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
