"""The market as three processes over RabbitMQ: killed, cut off and started again, each user still gets one mail."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid

from program import Program, wait_until

MARKET = sys.argv[1]
PORT = os.environ.get("WEFT_RABBITMQ_PORT", "24672")
SERVICES = os.environ.get("WEFT_SERVICES", os.path.join(os.path.dirname(__file__), "../../build/services"))


def reachable():
    try:
        socket.create_connection(("127.0.0.1", int(PORT)), timeout=2).close()
        return True
    except OSError:
        return False


class Distributed(unittest.TestCase):
    def setUp(self):
        if not reachable():
            if "CI" in os.environ:
                self.fail("no RabbitMQ at port " + PORT)
            self.skipTest("no RabbitMQ at port " + PORT + "; ./dev services start rabbitmq starts one")
        self.name = "market.test." + uuid.uuid4().hex[:8]
        self.broker = "amqp://weft:weft@127.0.0.1:{}/?exchange={}&prefix={}.".format(PORT, self.name, self.name)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, which, *flags):
        program = Program([MARKET, "--only=" + which, "--{}.http.port=0".format(which),
                           "--messaging.broker=" + self.broker, "--log.level=info", *flags])
        self.addCleanup(program.__exit__)
        return program

    def notifications(self):
        return self.start("notifications", "--notifications.database=sqlite:" + os.path.join(self.folder.name, "mail.db"))

    def create(self, users, first, count):
        made = []
        for i in range(first, first + count):
            status, answer, _ = users.call("users", "POST", "/api/users",
                                           {"name": "User", "email": "user{}@example.com".format(i)})
            self.assertEqual(status, 201)
            made.append(answer["data"]["id"])
        return made

    @staticmethod
    def mailed(notifications):
        found, page = [], 1
        while True:
            answer = notifications.call("notifications", "GET", "/api/notifications?limit=100&page={}".format(page))[1]
            found += [each["user_id"] for each in answer["data"]]
            if page >= answer["meta"]["pages"]:
                return sorted(found)
            page += 1

    def test_the_first_event_of_a_new_broker_is_handled(self):
        program = Program([MARKET, *["--{}.http.port=0".format(each) for each in ("users", "posts", "notifications")],
                           "--messaging.broker=" + self.broker])
        self.addCleanup(program.__exit__)
        ada = self.create(program, 0, 1)[0]
        self.assertEqual(program.call("posts", "POST", "/api/posts",
                                      {"user_id": ada, "title": "Notes", "content": "..."})[0], 201)
        wait_until(lambda: self.mailed(program) == [ada])
        wait_until(lambda: program.call("users", "GET", "/api/users/" + ada)[1]["data"]["post_count"] == 1)
        self.assertEqual(program.drain(), 0)

    def test_a_killed_notifications_service_loses_and_repeats_no_mail(self):
        mail, users = self.notifications(), self.start("users")
        made = self.create(users, 0, 50)
        more = []
        creating = threading.Thread(target=lambda: more.extend(self.create(users, 50, 250)))
        creating.start()
        wait_until(lambda: len(self.mailed(mail)) >= 60)
        mail.signal(signal.SIGKILL)
        mail.wait()
        mail = self.notifications()  # while users are still being created
        creating.join()
        made += more
        self.assertEqual(len(made), 300)
        wait_until(lambda: len(self.mailed(mail)) >= len(made))
        self.assertEqual(self.mailed(mail), sorted(made))
        self.assertEqual(mail.drain(), 0)
        self.assertEqual(users.drain(), 0)

    def test_posts_are_counted_across_processes(self):
        users, posts = self.start("users"), self.start("posts")
        ada = self.create(users, 0, 1)[0]
        made = [posts.call("posts", "POST", "/api/posts", {"user_id": ada, "title": "Notes", "content": "..."})[1]
                for _ in range(20)]
        path = "/api/users/" + ada

        def count():
            return users.call("users", "GET", path)[1]["data"]["post_count"]

        wait_until(lambda: count() == 20)
        for each in made[:5]:
            self.assertEqual(posts.call("posts", "DELETE", "/api/posts/" + each["data"]["id"])[0], 204)
        wait_until(lambda: count() == 15)
        self.assertEqual(posts.drain(), 0)
        self.assertEqual(users.drain(), 0)

    def test_requests_go_on_while_connections_are_cut(self):
        mail, users = self.notifications(), self.start("users")
        made = self.create(users, 0, 20)
        subprocess.run(["bash", SERVICES + "/rabbitmq/ctl", "close_all_connections", "test"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made += self.create(users, 20, 30)
        wait_until(lambda: len(self.mailed(mail)) >= len(made))
        self.assertEqual(self.mailed(mail), sorted(made))
        for each in (mail, users):
            def broker(program=each):
                return program.call(next(iter(program.listeners)), "GET", "/health")[1]["checks"]["broker"]

            wait_until(lambda: broker()["status"] == "healthy")  # the connection that had nothing to do comes back, too
            self.assertEqual(broker()["broker"], "amqp")
            self.assertEqual(each.drain(), 0)
            self.assertNotIn("weft:weft", each.said())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
