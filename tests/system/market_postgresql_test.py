"""Users in PostgreSQL, their events through RabbitMQ: killed and started again, and with the database away for a while."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse
import uuid

from program import Program, wait_until

MARKET, REPOSITORY = sys.argv[1:3]
RABBITMQ = int(os.environ.get("WEFT_RABBITMQ_PORT", "24672"))
POSTGRESQL = int(os.environ.get("WEFT_POSTGRES_PORT", "24432"))


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def sql(text):
    return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(POSTGRESQL),
                           "-U", "weft", "-d", "weft", "-c", text], env={**os.environ, "PGPASSWORD": "weft"}, check=True,
                          capture_output=True, text=True).stdout.strip()


def server(action):
    subprocess.run(["./dev", "services", action, "postgresql"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


class Creating(threading.Thread):
    """Creates until it is told to stop, and keeps what was answered; goes on with the next while nobody answers."""

    def __init__(self, make):
        super().__init__()
        self.make, self.made, self.stopping = make, [], False

    def run(self):
        number = 0
        while not self.stopping:
            number += 1
            try:
                status, answer, _ = self.make(number)
            except (OSError, ValueError):
                continue
            if status == 201:
                self.made.append(answer["data"]["id"])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.join()

    def more(self, count):
        enough = len(self.made) + count
        wait_until(lambda: len(self.made) >= enough)


class Postgresql(unittest.TestCase):
    def setUp(self):
        for what, port in (("rabbitmq", RABBITMQ), ("postgresql", POSTGRESQL)):
            if not reachable(port):
                missing = "no {} at port {}; ./dev services start {} starts one".format(what, port, what)
                if "CI" in os.environ:
                    self.fail(missing)
                self.skipTest(missing)
        self.name = "market_" + uuid.uuid4().hex[:8]
        sql("CREATE SCHEMA " + self.name)
        self.addCleanup(sql, "DROP SCHEMA {} CASCADE".format(self.name))
        self.database = "postgres://weft:weft@127.0.0.1:{}/weft?options={}".format(
            POSTGRESQL, urllib.parse.quote("-csearch_path=" + self.name))
        self.broker = "amqp://weft:weft@127.0.0.1:{}/?exchange={}&prefix={}.".format(RABBITMQ, self.name, self.name)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, which, *flags):
        program = Program([MARKET, "--only=" + which, "--{}.http.port=0".format(which),
                           "--messaging.broker=" + self.broker, *flags])
        self.addCleanup(program.__exit__)
        return program

    def users(self):
        return self.start("users", "--users.database=" + self.database)

    def notifications(self):
        return self.start("notifications", "--notifications.database=sqlite:" + os.path.join(self.folder.name, "mail.db"))

    @staticmethod
    def create(program, name):
        return program.call("users", "POST", "/api/users", {"name": name, "email": name.lower() + "@example.com"})

    @staticmethod
    def write(program, author):
        return program.call("posts", "POST", "/api/posts", {"user_id": author, "title": "Notes", "content": "..."})

    @staticmethod
    def listed(program, listener, path, key):
        found, page = [], 1
        while True:
            answer = program.call(listener, "GET", "{}?limit=100&page={}".format(path, page))[1]
            found += [each[key] for each in answer["data"]]
            if page >= answer["meta"]["pages"]:
                return sorted(found)
            page += 1

    @staticmethod
    def post_count(program, user):
        return program.call("users", "GET", "/api/users/" + user)[1]["data"]["post_count"]

    def test_users_and_their_counts_outlive_kills_and_nothing_counts_twice(self):
        mail, posts, current = self.notifications(), self.start("posts"), [self.users()]
        ada = self.create(current[0], "Ada")[1]["data"]["id"]
        with Creating(lambda number: self.create(current[0], "User{}".format(number))) as people, \
                Creating(lambda _: self.write(posts, ada)) as written:
            for _ in range(3):
                people.more(40)
                written.more(40)
                current[0].signal(signal.SIGKILL)
                current[0].wait()
                written.more(5)  # posts are taken while users are away
                current[0] = self.users()
            people.more(10)
        deleted = written.made[:25]
        for each in deleted:
            self.assertEqual(posts.call("posts", "DELETE", "/api/posts/" + each)[0], 204)
        expected = len(written.made) - len(deleted)
        wait_until(lambda: self.post_count(current[0], ada) == expected)
        everybody = self.listed(current[0], "users", "/api/users", "id")
        self.assertLessEqual({ada, *people.made}, set(everybody))
        self.assertLessEqual(len(everybody), 1 + len(people.made) + 3)  # whose answer was cut off
        wait_until(lambda: self.listed(mail, "notifications", "/api/notifications", "user_id") == everybody)
        for each in (posts, mail, current[0]):
            self.assertEqual(each.drain(), 0)
            self.assertNotIn("weft:weft", each.said())
        again = self.users()
        self.assertEqual(self.post_count(again, ada), expected)  # nothing that came again was counted again
        self.assertEqual(sql("SELECT count(*) FROM {}.market_counted_posts WHERE deleted = 0".format(self.name)),
                         str(expected))
        self.assertEqual(self.listed(again, "users", "/api/users", "id"), everybody)

    def test_two_instances_share_a_database(self):
        mail, posts, both = self.notifications(), self.start("posts"), [self.users(), self.users()]
        ada = self.create(both[0], "Ada")[1]["data"]["id"]
        self.assertEqual(self.create(both[1], "ADA")[0], 409)
        with Creating(lambda number: self.create(both[number % 2], "User{}".format(number))) as people, \
                Creating(lambda _: self.write(posts, ada)) as written:
            people.more(60)
            written.more(60)
            both[1].signal(signal.SIGKILL)
            both[1].wait()
            people.more(20)
            written.more(20)
        everybody = self.listed(both[0], "users", "/api/users", "id")
        wait_until(lambda: self.listed(mail, "notifications", "/api/notifications", "user_id") == everybody)
        wait_until(lambda: self.post_count(both[0], ada) == len(written.made))
        self.assertLessEqual({ada, *people.made}, set(everybody))

    def test_changes_at_the_same_time_are_all_kept(self):
        users = self.users()
        path = "/api/users/" + self.create(users, "Ada")[1]["data"]["id"]
        for number in range(20):
            wanted = [{"name": "Ada {}".format(number)}, {"email": "ada{}@example.com".format(number)},
                      {"status": ("active", "inactive")[number % 2]}]
            outcomes = []
            changing = [threading.Thread(target=lambda change=change: outcomes.append(
                users.call("users", "PATCH", path, change)[0])) for change in wanted]
            for each in changing:
                each.start()
            for each in changing:
                each.join()
            self.assertEqual(outcomes, [200] * 3)
            now = users.call("users", "GET", path)[1]["data"]
            for change in wanted:
                self.assertEqual({**now, **change}, now)

    def test_names_are_found_as_in_memory(self):
        users = self.users()
        for number, name in enumerate(("Ånne", "ANNA", "a_b")):
            users.call("users", "POST", "/api/users", {"name": name, "email": "{}@example.com".format(number)})
        for search, found in (("Ånne", ["Ånne"]), ("Å", ["Ånne"]), ("anna", ["ANNA"]), ("NN", ["ANNA", "Ånne"]), ("_", ["a_b"])):
            answer = users.call("users", "GET", "/api/users?search=" + urllib.parse.quote(search))[1]
            self.assertEqual([each["name"] for each in answer["data"]], found)

    def test_a_database_that_is_away_loses_no_event(self):
        posts, users = self.start("posts"), self.users()
        ada = self.create(users, "Ada")[1]["data"]["id"]
        self.assertEqual(users.call("users", "GET", "/health")[1]["checks"]["database"],
                         {"status": "healthy", "engine": "postgresql"})
        server("stop")
        try:
            wait_until(lambda: users.call("users", "GET", "/health")[0] == 503)
            self.assertEqual(users.call("users", "GET", "/health")[1]["checks"]["database"]["status"], "unhealthy")
            self.assertEqual(users.call("users", "GET", "/api/users/" + ada)[0], 503)
            for _ in range(30):
                self.assertEqual(self.write(posts, ada)[0], 201)
            wait_until(lambda: 'outcome="retry"' in users.call("users", "GET", "/metrics")[1])
        finally:
            server("start")
        wait_until(lambda: users.call("users", "GET", "/health")[0] == 200)
        wait_until(lambda: self.post_count(users, ada) == 30)
        self.assertNotIn("dead letters", users.said())


class Refused(unittest.TestCase):
    def test_a_database_that_is_not_there_is_told_without_its_password(self):
        with self.assertRaisesRegex(AssertionError, "ended with 1") as refused:
            Program([MARKET, "--only=users", "--users.http.port=0", "--users.database=postgres://weft:hunter2@127.0.0.1:1/weft"])
        self.assertRegex(str(refused.exception), r"the users' database postgres://weft:\[redacted\]@127\.0\.0\.1:1/weft")
        self.assertNotIn("hunter2", str(refused.exception))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
