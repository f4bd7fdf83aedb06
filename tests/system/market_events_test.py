"""The market's events: a new user gets a mail, once; posts are counted; an end under load loses nothing."""
import json
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import unittest

from program import Program, wait_until

MARKET = sys.argv[1]
FREE_PORTS = ["--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def market(*flags):
    return Program([MARKET, *FREE_PORTS, *flags])


def create(program, name, fields=None):
    connection = program.connect("users")
    try:
        connection.request("POST", "/api/users",
                           json.dumps({"name": name, "email": name.lower() + "@example.com"}), fields or {})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        return content["data"]["id"] if answer.status == 201 else None
    finally:
        connection.close()


def mails(program, query=""):
    status, answer, _ = program.call("notifications", "GET", "/api/notifications" + query)
    assert status == 200, answer
    return answer


def post_count(program, user):
    return program.call("users", "GET", "/api/users/" + user)[1]["data"]["post_count"]


class Load(threading.Thread):
    """Creates users until nobody answers, and keeps the ids of those that were."""

    def __init__(self, program, number):
        super().__init__()
        self.program, self.number, self.created = program, number, []

    def run(self):
        for i in range(1_000_000):
            try:
                made = create(self.program, "user{}-{}".format(self.number, i))
            except (OSError, ValueError):
                return
            if made is not None:
                self.created.append(made)


class Events(unittest.TestCase):
    def test_a_new_user_gets_a_mail_with_the_correlation_id_of_the_request(self):
        with market("--tracing.sample_ratio=1") as program:
            ada = create(program, "Ada", {"X-Correlation-ID": "order-7",
                                          "traceparent": "00-" + TRACE + "-00f067aa0ba902b7-01"})
            bob = create(program, "Bob")
            wait_until(lambda: mails(program)["meta"]["total"] == 2)
            answer = mails(program, "?user_id=" + ada)
            self.assertEqual((answer["success"], answer["meta"]["total"]), (True, 1))
            mail = answer["data"][0]
            self.assertEqual((mail["to"], mail["user_id"], mail["kind"], mail["via"]),
                             ("ada@example.com", ada, "welcome", "mailbox"))
            self.assertIn("Hello Ada", mail["text"])
            self.assertEqual(mail["correlation_id"], "order-7")
            self.assertEqual(mail["traceparent"].split("-")[1], TRACE)
            self.assertEqual(mails(program, "?limit=1")["data"][0]["user_id"], bob)
            self.assertEqual(program.call("notifications", "GET", "/api/notifications/" + mail["id"])[1]["data"], mail)

    def test_posts_are_counted(self):
        with market() as program:
            ada = create(program, "Ada")
            made = [program.call("posts", "POST", "/api/posts", {"user_id": ada, "title": "Notes", "content": "..."})
                    for _ in range(3)]
            wait_until(lambda: post_count(program, ada) == 3)
            path = "/api/posts/" + made[0][1]["data"]["id"]
            self.assertEqual(program.call("posts", "DELETE", path)[0], 204)
            wait_until(lambda: post_count(program, ada) == 2)
            self.assertEqual(program.call("users", "PATCH", "/api/users/" + ada, {"name": "Ada L."})[1]["data"]["post_count"], 2)
            self.assertEqual(program.call("users", "DELETE", "/api/users/" + ada)[0], 204)

    def test_health_and_metrics_show_the_broker(self):
        with market() as program:
            ada = create(program, "Ada")
            wait_until(lambda: mails(program, "?user_id=" + ada)["meta"]["total"] == 1)
            checks = program.call("users", "GET", "/health")[1]["checks"]
            self.assertEqual(checks["broker"],
                             {"status": "healthy", "critical": False, "broker": "memory", "unpublished": 0})
            self.assertEqual(checks["mailbox"], {"status": "healthy", "sent": 1, "via": "mailbox"})
            metrics = program.call("users", "GET", "/metrics")[1]
            self.assertIn('weft_messaging_published_total{topic="user.created",outcome="ok"} 1', metrics)
            self.assertIn('weft_messaging_handled_total{group="notifications.welcome",topic="user.created",'
                          'outcome="ack"} 1', metrics)
            self.assertIn('weft_messaging_publish_queue_messages{queue="events of /users"} 0', metrics)

    def test_an_end_under_load_loses_no_mail(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "mailbox.db")
            with market("--notifications.database=sqlite:" + file, "--drain.hook_timeout=60s") as program:
                load = [Load(program, number) for number in range(4)]
                for each in load:
                    each.start()
                wait_until(lambda: all(len(each.created) >= 50 for each in load))
                program.signal(signal.SIGTERM)
                for each in load:
                    each.join()
                self.assertEqual(program.wait(), 0)
                said = program.said()
            steps = ['"phase":"finishing"', '"phase":"closing"', '"phase":"ended"']
            self.assertEqual([said.count(each) for each in steps], [1, 1, 1])
            self.assertNotIn("a step of the drain failed", said)
            with sqlite3.connect(file) as mailbox:
                mailed = sorted(user for user, in mailbox.execute("SELECT user_id FROM notifications"))
            self.assertEqual(mailed, sorted(user for each in load for user in each.created))

    def test_a_mailbox_in_a_file_outlives_the_process(self):
        with tempfile.TemporaryDirectory() as folder:
            database = "--notifications.database=sqlite:" + os.path.join(folder, "mailbox.db")
            with market(database) as program:
                ada = create(program, "Ada")
                wait_until(lambda: mails(program)["meta"]["total"] == 1)
                self.assertEqual(program.drain(), 0)
            with market(database) as program:
                self.assertEqual(mails(program)["data"][0]["user_id"], ada)

    def test_users_in_a_database_keep_what_they_tell_through_a_kill(self):
        with tempfile.TemporaryDirectory() as folder:
            flags = ["--users.database=sqlite:" + os.path.join(folder, "users.db"),
                     "--notifications.database=sqlite:" + os.path.join(folder, "mailbox.db"),
                     "--messaging.broker=sqlite:" + os.path.join(folder, "events.db")]
            with market(*flags) as program:
                load = [Load(program, number) for number in range(4)]
                for each in load:
                    each.start()
                wait_until(lambda: all(len(each.created) >= 20 for each in load))
                program.signal(signal.SIGKILL)
                program.wait()
                for each in load:
                    each.join()
            answered = {user for each in load for user in each.created}
            with market(*flags) as program:
                total = program.call("users", "GET", "/api/users")[1]["meta"]["total"]
                wait_until(lambda: mails(program)["meta"]["total"] == total)
                self.assertGreaterEqual(total, len(answered))  # one more each, whose answer was cut off
                self.assertLessEqual(total, len(answered) + len(load))
                self.assertEqual(program.drain(), 0)
            with sqlite3.connect(os.path.join(folder, "mailbox.db")) as mailbox:
                mailed = [user for user, in mailbox.execute("SELECT user_id FROM notifications")]
            self.assertEqual(len(mailed), len(set(mailed)))
            self.assertTrue(answered <= set(mailed))

    def test_a_broker_that_there_is_not_is_told_at_once(self):
        with self.assertRaisesRegex(AssertionError, r"ended with 1(.|\n)*no broker for 'pigeon:'"):
            market("--messaging.broker=pigeon://user:hunter2@loft/")
        with self.assertRaises(AssertionError) as refused:
            market("--messaging.broker=pigeon://user:hunter2@loft/")
        self.assertNotIn("hunter2", str(refused.exception))

    def test_a_broker_that_cannot_be_reached_is_told_with_its_url(self):
        with self.assertRaisesRegex(AssertionError, r"ended with 1(.|\n)*did not start: unavailable: the broker "
                                                    r"amqp://weft:\[redacted\]@127\.0\.0\.1:1/: .*start it, or") as refused:
            market("--messaging.broker=amqp://weft:hunter2@127.0.0.1:1/", "--messaging.open_timeout=100ms")
        self.assertNotIn("hunter2", str(refused.exception))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
