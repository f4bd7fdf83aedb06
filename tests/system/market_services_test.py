"""The market as several processes: they find each other, and its pages go on when one of them dies."""
import os
import signal
import sys
import tempfile
import unittest

from market_load import ProfileLoad
from program import Program, wait_until

MARKET = sys.argv[1]


def place(program, listener):
    return program.listeners[listener].removeprefix("http://")


def posts(*flags):
    return Program([MARKET, "--only=posts", "--posts.http.port=0", *flags])


def users(*flags):
    return Program([MARKET, "--only=users", "--users.http.port=0", *flags])


class Services(unittest.TestCase):
    def test_a_profile_outlives_its_posts_services(self):
        with posts() as one, posts() as two:
            registry = "--discovery.registry=static:posts={},{}".format(place(one, "posts"), place(two, "posts"))
            with users(registry) as page:
                ada = page.call("users", "POST", "/api/users", {"name": "Ada", "email": "ada@example.com"})[1]["data"]["id"]
                bob = page.call("users", "POST", "/api/users", {"name": "Bob", "email": "bob@example.com"})[1]["data"]["id"]
                for each in (one, two):  # in memory, each its own; neither has been told of users
                    status, _, fields = each.call("posts", "POST", "/api/posts",
                                                  {"user_id": ada, "title": "Notes", "content": "On the engine"})
                    self.assertEqual((status, fields["X-Author-Check"]), (201, "skipped"))
                path = "/api/users/" + ada + "/profile"
                with ProfileLoad(page, path) as load:
                    for status, answer in load.ask_more(20):
                        self.assertEqual((status, answer["posts_source"]), (200, "service"), answer)

                    one.signal(signal.SIGKILL)
                    one.wait()
                    for status, answer in load.ask_more(200):
                        self.assertEqual((status, answer["data"]["posts"][0]["title"]), (200, "Notes"))
                    last = load.ask_more(20)
                    self.assertTrue(any(answer["posts_source"] == "service" for _, answer in last), last[-1])

                    two.signal(signal.SIGKILL)
                    two.wait()
                    for status, answer in load.ask_more(20):
                        self.assertEqual((status, answer["posts_source"]), (200, "cache"))
                        self.assertEqual(answer["data"]["posts"][0]["title"], "Notes")
                        self.assertRegex(answer["reason"], r"(try 1 to 127\.0\.0\.1:\d+ failed|breaker open).*; stale cache: ")
                self.assertTrue(all(status == 200 for status, _ in load.answers))

                status, answer, _ = page.call("users", "GET", "/api/users/" + bob + "/profile")
                self.assertEqual((status, answer["posts_source"], answer["data"]["posts"]), (200, "fallback", []))
                self.assertEqual(answer["message"], "Post service temporarily unavailable")
                self.assertRegex(answer["reason"], r"; fallback used$")

    def test_a_breaker_opens_by_faults_and_closes_when_they_end(self):
        with Program([MARKET, "--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0", "--faults.enabled=true",
                      "--policies.posts.circuit_breaker.break_for=100ms"]) as market:
            ada = market.call("users", "POST", "/api/users", {"name": "Ada", "email": "ada@example.com"})[1]["data"]["id"]
            path = "/api/users/" + ada + "/profile"
            self.assertEqual(market.call("users", "GET", path)[1]["posts_source"], "service")
            market.call("posts", "POST", "/debug/faults", [{"path": "/api/", "error_percent": 100}])
            wait_until(lambda: "breaker open" in market.call("users", "GET", path)[1]["reason"])
            self.assertIn('"message":"circuit breaker","policy":"posts","from":"closed","to":"open"', market.said())
            market.call("posts", "DELETE", "/debug/faults")
            wait_until(lambda: market.call("users", "GET", path)[1]["posts_source"] == "service")
        with posts() as plain:
            self.assertEqual(plain.call("posts", "GET", "/debug/faults")[0], 404)

    def test_it_registers_and_leaves_first(self):
        with Program([MARKET, "--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0"]) as market:
            wait_until(lambda: market.said().count('"message":"registered"') == 3)
            line = market.call("users", "GET", "/health")[1]["checks"]["registration"]
            self.assertEqual((line["status"], line["critical"]), ("healthy", False))
            self.assertEqual(line["posts-" + place(market, "posts")], "registered")
            self.assertEqual(market.drain(), 0)
            said = market.said()
            steps = ['"phase":"deregistering"', '"deregistered","id":"users-', '"deregistered","id":"posts-',
                     '"phase":"propagating"', '"phase":"finishing"']
            places = [said.index(each) for each in steps]
            self.assertEqual(places, sorted(places))

    def test_policies_are_read_again_without_losing_what_they_know(self):
        with tempfile.TemporaryDirectory() as folder:
            mine = os.path.join(folder, "mine.yaml")

            def write(text):
                with open(mine, "w", encoding="utf-8") as out:
                    out.write(text)

            write("policies: {posts: {circuit_breaker: {break_for: 5m}}}\n")
            with Program([MARKET, "--config", mine, "--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0",
                          "--faults.enabled=true"]) as market:
                ada = market.call("users", "POST", "/api/users", {"name": "Ada", "email": "a@example.com"})[1]["data"]["id"]
                path = "/api/users/" + ada + "/profile"
                market.call("posts", "POST", "/debug/faults", [{"path": "/api/", "error_percent": 100}])
                wait_until(lambda: "breaker open" in market.call("users", "GET", path)[1]["reason"])

                write("policies: {posts: {circuit_breaker: {break_for: 5m}, retry: {max_attempts: 0}}}\n")
                market.signal(signal.SIGHUP)
                wait_until(lambda: "the configuration was not reloaded" in market.said())
                self.assertIn("policies.posts.retry.max_attempts", market.said())

                write("policies: {posts: {circuit_breaker: {break_for: 5m}, retry: {max_attempts: 7}}}\n")
                market.signal(signal.SIGHUP)
                wait_until(lambda: '"changed":"policies.posts.retry.max_attempts"' in market.said())
                self.assertIn("breaker open", market.call("users", "GET", path)[1]["reason"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
