"""The market as several processes that find each other by a real Consul (tests/peers/consul)."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from market_load import ProfileLoad
from program import Program, wait_until

MARKET, REPOSITORY = sys.argv[1:3]
AGENT = os.environ.get("WEFT_CONSUL_AGENT", os.path.join(REPOSITORY, "build/peers/consul-agent"))


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Consul:
    """An agent of this test's own, with everything in memory."""

    def __init__(self):
        self.ports, self.process, self.log = free_ports(4), None, tempfile.TemporaryFile()
        self.start()

    def start(self):
        names = ("http", "server", "serf-lan", "serf-wan")
        self.process = subprocess.Popen(
            [AGENT, "-dev", "-node=weft", "-disable-host-node-id", "-bind=127.0.0.1", "-client=127.0.0.1",
             *["-{}-port={}".format(name, port) for name, port in zip(names, self.ports)], "-dns-port=-1", "-grpc-port=-1",
             "-grpc-tls-port=-1", "-log-level=warn", "-hcl", "disable_update_check = true"],
            stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.places("consul") or self.process.poll() is not None)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def places(self, service, query="passing"):
        try:
            with urllib.request.urlopen("http://127.0.0.1:{}/v1/health/service/{}?{}".format(self.ports[0], service, query),
                                        timeout=5) as answer:
                found = json.load(answer)
        except OSError:
            return []
        return sorted("{Address}:{Port}".format(**each["Service"]) for each in found)


def place(program, listener):
    return program.listeners[listener].removeprefix("http://")


class Market(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(AGENT):
            missing = "no Consul agent at {}; build it with tests/peers/consul/build.sh".format(AGENT)
            if "CI" in os.environ:
                self.fail(missing)
            self.skipTest(missing)
        self.consul = Consul()
        self.addCleanup(self.consul.stop)

    def start(self, which):
        program = Program([MARKET, "--only=" + which, "--{}.http.port=0".format(which), "--discovery.ttl=2s",
                           "--discovery.registry=consul://127.0.0.1:{}".format(self.consul.ports[0])])
        self.addCleanup(program.__exit__)
        return program

    def healthy(self, program, count):
        """Whether `program` knows so many posts services that can be called."""
        return 'weft_discovery_hosts{{service="posts",state="healthy"}} {}\n'.format(count) in \
            program.call("users", "GET", "/metrics")[1]

    def write(self, posts, author):
        return posts.call("posts", "POST", "/api/posts", {"user_id": author, "title": "Notes", "content": "..."})

    def test_services_find_each_other_and_see_who_is_gone(self):
        users, one, two = self.start("users"), self.start("posts"), self.start("posts")
        ada = users.call("users", "POST", "/api/users", {"name": "Ada", "email": "ada@example.com"})[1]["data"]["id"]
        both = sorted(place(each, "posts") for each in (one, two))
        wait_until(lambda: self.consul.places("posts") == both and self.consul.places("users") == [place(users, "users")])
        for each in (one, two):  # posts finds users: the author is checked
            wait_until(lambda: "X-Author-Check" not in self.write(each, ada)[2])
            self.assertEqual(self.write(each, "00000000-0000-7000-8000-000000000000")[0], 422)
        path = "/api/users/" + ada + "/profile"
        wait_until(lambda: users.call("users", "GET", path)[1]["posts_source"] == "service")  # and users finds posts
        wait_until(lambda: self.healthy(users, 2))
        with ProfileLoad(users, path) as load:
            one.signal(signal.SIGKILL)
            one.wait()
            wait_until(lambda: self.consul.places("posts") == [place(two, "posts")])
            wait_until(lambda: self.healthy(users, 1))
            for status, answer in load.ask_more(50):
                self.assertEqual((status, answer["posts_source"]), (200, "service"), answer)

            three = self.start("posts")
            wait_until(lambda: self.consul.places("posts") == sorted(place(each, "posts") for each in (two, three)))
            wait_until(lambda: self.healthy(users, 2))
            self.assertEqual(two.drain(), 0)  # it says so itself, and first
            self.assertNotIn(place(two, "posts"), self.consul.places("posts", ""))
            wait_until(lambda: self.healthy(users, 1))
            for status, answer in load.ask_more(50):
                self.assertEqual((status, answer["posts_source"]), (200, "service"), answer)
        self.assertTrue(all(status == 200 for status, _ in load.answers))

    def test_calls_go_on_without_consul_and_it_learns_of_everybody_when_it_is_back(self):
        users, posts = self.start("users"), self.start("posts")
        ada = users.call("users", "POST", "/api/users", {"name": "Ada", "email": "ada@example.com"})[1]["data"]["id"]
        path = "/api/users/" + ada + "/profile"
        wait_until(lambda: users.call("users", "GET", path)[1]["posts_source"] == "service")
        self.consul.stop()
        wait_until(lambda: users.call("users", "GET", "/health")[1]["checks"]["registration"]["status"] == "unhealthy")
        self.assertEqual(users.call("users", "GET", "/health")[0], 200)  # advisory
        for _ in range(20):
            self.assertEqual(users.call("users", "GET", path)[1]["posts_source"], "service")
        self.consul.start()  # with an empty memory
        wait_until(lambda: self.consul.places("posts") == [place(posts, "posts")])
        wait_until(lambda: self.consul.places("users") == [place(users, "users")])
        wait_until(lambda: users.call("users", "GET", path)[1]["posts_source"] == "service")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
