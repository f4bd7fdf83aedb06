"""C7: a weft service with default settings keeps to W3C Trace Context, Level 2 and strict.

    trace_context_test.py <service>

The behaviours are the 41 that W3C's own test program looks at (w3c/trace-context, folder test), one method for each. The
service is told to call back, and what it sends then is looked at.
"""
import http.client
import http.server
import json
import os
import re
import sys
import threading
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from program import PATIENCE, Program  # noqa: E402

SERVICE = sys.argv[1]
TRACE = "12345678901234567890123456789012"
PARENT = "1234567890123456"
GOOD = "00-{}-{}-01".format(TRACE, PARENT)
QUIET = "00-{}-{}-00".format(TRACE, PARENT)
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Callbacks(http.server.BaseHTTPRequestHandler):
    """Keeps the header fields of what the service sends, by path."""
    protocol_version = "HTTP/1.1"
    seen = {}

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen[self.path] = self.headers.items()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class TraceContext(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.callbacks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Callbacks)
        threading.Thread(target=cls.callbacks.serve_forever, daemon=True).start()
        cls.service = Program([SERVICE, "--http.port=0", "--http.address=127.0.0.1"])
        cls.place = urllib.parse.urlsplit(next(iter(cls.service.listeners.values())))
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()
        cls.callbacks.shutdown()
        cls.callbacks.server_close()

    def sent(self, fields, count=1):
        """For each of `count` calls of the service: (trace id, parent id, flags), tracestate as a list of pairs."""
        paths = []
        for _ in range(count):
            type(self).count += 1
            paths.append("/{}".format(self.count))
        port = self.callbacks.server_address[1]
        body = json.dumps([{"url": "http://127.0.0.1:{}{}".format(port, each), "arguments": []} for each in paths])
        connection = http.client.HTTPConnection(self.place.hostname, self.place.port, timeout=PATIENCE)
        try:
            connection.putrequest("POST", "/test")
            for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *fields]:
                connection.putheader(name, value)
            connection.endheaders(body.encode())
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200, answer.read())
        finally:
            connection.close()
        return [self.parsed(Callbacks.seen[each]) for each in paths]

    def parsed(self, fields):
        parents = [value for name, value in fields if name.lower() == "traceparent"]
        self.assertEqual(len(parents), 1, fields)
        parent = TRACEPARENT.fullmatch(parents[0])
        self.assertTrue(parent, parents)
        self.assertNotEqual(parent[1], "0" * 32)
        self.assertNotEqual(parent[2], "0" * 16)
        state = ",".join(value for name, value in fields if name.lower() == "tracestate")
        return parent.groups(), [tuple(each.split("=", 1)) for each in state.split(",") if each]

    def parent(self, *fields):
        return self.sent(fields)[0][0]

    def state(self, *values):
        """What becomes of tracestate fields beside a good traceparent, which has to survive them."""
        (trace, _, _), state = self.sent([("traceparent", QUIET), *(("tracestate", each) for each in values)])[0]
        self.assertEqual(trace, TRACE)
        return state

    def kept(self, *values):
        for value in values:
            with self.subTest(value):
                trace, parent, _ = self.parent(("traceparent", value))
                self.assertEqual(trace, TRACE)
                self.assertNotEqual(parent, PARENT)

    def restarted(self, *values):
        for value in values:
            with self.subTest(value):
                self.assertNotEqual(self.parent(("traceparent", value))[0], TRACE)

    def test_both_missing(self):
        self.parent()

    def test_traceparent_without_tracestate(self):
        self.kept(GOOD, QUIET)

    def test_traceparent_twice(self):
        other = GOOD.replace(TRACE, TRACE[:-1] + "1")
        self.assertNotIn(self.parent(("traceparent", other), ("traceparent", GOOD))[0], (TRACE, TRACE[:-1] + "1"))

    def test_traceparent_under_another_name(self):
        for name in ("trace-parent", "trace.parent"):
            self.assertNotEqual(self.parent((name, GOOD))[0], TRACE)

    def test_traceparent_in_any_case(self):
        for name in ("TraceParent", "TrAcEpArEnT", "TRACEPARENT"):
            self.assertEqual(self.parent((name, GOOD))[0], TRACE)

    def test_version_00_with_more_behind_it(self):
        self.restarted(GOOD + ".", GOOD + "-what-the-future-will-be-like")

    def test_version_cc(self):
        later = "cc" + GOOD[2:]
        self.kept(later, later + "-what-the-future-will-be-like")
        self.restarted(later + ".what-the-future-will-be-like")

    def test_version_ff(self):
        self.restarted("ff" + GOOD[2:])

    def test_version_with_other_characters(self):
        self.restarted(".0" + GOOD[2:], "0." + GOOD[2:])

    def test_version_too_long(self):
        self.restarted("0" + GOOD, "00" + GOOD)

    def test_version_too_short(self):
        self.restarted(GOOD[1:])

    def test_trace_id_zero(self):
        self.assertNotEqual(self.parent(("traceparent", GOOD.replace(TRACE, "0" * 32)))[0], "0" * 32)

    def test_trace_id_with_other_characters(self):
        self.restarted(GOOD.replace(TRACE, "." + TRACE[1:]), GOOD.replace(TRACE, TRACE[:-1] + "."))

    def test_trace_id_too_long(self):
        trace = self.parent(("traceparent", GOOD.replace(TRACE, TRACE + "3")))[0]
        self.assertNotIn(trace, (TRACE, TRACE[1:] + "3"))

    def test_trace_id_too_short(self):
        self.restarted(GOOD.replace(TRACE, TRACE[:-1]))

    def test_parent_id_zero(self):
        self.restarted("00-{}-{}-01".format(TRACE, "0" * 16))

    def test_parent_id_with_other_characters(self):
        self.restarted("00-{}-.{}-01".format(TRACE, PARENT[1:]), "00-{}-{}.-01".format(TRACE, PARENT[:-1]))

    def test_parent_id_too_long(self):
        self.restarted("00-{}-{}7-01".format(TRACE, PARENT))

    def test_parent_id_too_short(self):
        self.restarted("00-{}-{}-01".format(TRACE, PARENT[:-1]))

    def test_flags_with_other_characters(self):
        self.restarted(GOOD[:-2] + ".0", GOOD[:-2] + "0.")

    def test_flags_too_long(self):
        self.restarted(GOOD[:-2] + "001")

    def test_flags_too_short(self):
        self.restarted(GOOD[:-1])

    def test_spaces_around_traceparent(self):
        self.kept(" " + GOOD, "\t" + GOOD, GOOD + " ", GOOD + "\t", "\t " + GOOD + " \t")

    def test_tracestate_without_traceparent(self):
        states = [self.sent([("tracestate", each)])[0][1] for each in ("foo=1", "foo=1,bar=2")]
        self.assertEqual(len(states[0]), len(states[1]))

    def test_both_there(self):
        self.assertEqual(self.state("foo=1,bar=2"), [("foo", "1"), ("bar", "2")])

    def test_tracestate_under_another_name(self):
        for name in ("trace-state", "trace.state"):
            self.assertEqual(self.sent([("traceparent", QUIET), (name, "foo=1")])[0][1], [])

    def test_tracestate_in_any_case(self):
        for name in ("TraceState", "TrAcEsTaTe", "TRACESTATE"):
            self.assertEqual(self.sent([("traceparent", QUIET), (name, "foo=1")])[0][1], [("foo", "1")])

    def test_empty_tracestate(self):
        self.assertEqual(self.state(""), [])
        self.assertEqual(self.state("foo=1", ""), [("foo", "1")])
        self.assertEqual(self.state("", "foo=1"), [("foo", "1")])

    def test_several_fields_are_one_list(self):
        self.assertEqual(self.state("foo=1,bar=2", "rojo=1,congo=2", "baz=3"),
                         [("foo", "1"), ("bar", "2"), ("rojo", "1"), ("congo", "2"), ("baz", "3")])

    def test_a_key_that_occurs_twice_costs_no_other(self):
        for values in (("foo=1,foo=1",), ("foo=1,foo=2",), ("foo=1", "foo=1"), ("foo=1", "foo=2")):
            with self.subTest(values):
                self.assertEqual(self.state(*values), [("foo", "1")])
        self.assertEqual(self.state("foo=1,bar=2,foo=3"), [("foo", "1"), ("bar", "2")])

    def test_all_allowed_characters(self):
        key = "".join(map(chr, range(0x61, 0x7b))) + "0123456789_-*/"
        value = "".join(chr(each) for each in range(0x20, 0x7f) if chr(each) not in ",=")
        for each in (key, key + "@a-z0-9_-*/"):
            self.assertEqual(self.state(each + "=" + value), [(each, value)])

    def test_spaces_around_members(self):
        for value in ("foo=1 \t , \t bar=2, \t baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"):
            self.assertEqual(self.state(value), [("foo", "1"), ("bar", "2"), ("baz", "3")])
        for value in (" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"):
            self.assertEqual(self.state(value), [("foo", "1")])

    def test_keys_with_other_characters(self):
        for value in ("foo =1", "FOO=1", "foo.bar=1"):
            self.assertEqual(self.state(value), [])

    def test_keys_with_a_malformed_vendor(self):
        for value in ("foo@=1,bar=2", "@foo=1,bar=2", "foo@@bar=1,bar=2", "foo@bar@baz=1,bar=2"):
            self.assertEqual(self.state(value), [])

    def test_at_most_32_members(self):
        members = ["bar{0:02}={0:02}".format(each) for each in range(1, 34)]
        groups = [",".join(members[at:at + 10]) for at in (0, 10, 20)]
        self.assertEqual(len(self.state(*groups, ",".join(members[30:32]))), 32)
        self.assertEqual(self.state(*groups, ",".join(members[30:33])), [])

    def test_sizes_of_keys(self):
        for key in ("z" * 256, "t" * 241 + "@" + "v" * 14):
            self.assertIn(("foo", "1"), self.state("foo=1", key + "=1"))
        for key in ("z" * 257, "t" * 242 + "@v", "t@" + "v" * 15):
            self.assertEqual(self.state("foo=1", key + "=1"), [])

    def test_values_with_other_characters(self):
        for value in ("foo=bar=baz", "foo=,bar=3"):
            self.assertEqual(self.state(value), [])

    def test_several_calls_in_a_trace(self):
        calls = [parent for parent, _ in self.sent([("traceparent", GOOD)], 3)]
        self.assertEqual({trace for trace, _, _ in calls}, {TRACE})
        self.assertEqual(len({parent for _, parent, _ in calls}), 3)

    def test_several_calls_without_a_trace(self):
        self.assertEqual(len({parent for (_, parent, _), _ in self.sent([], 3)}), 3)

    def test_several_calls_in_a_malformed_trace(self):
        calls = [parent for parent, _ in self.sent([("traceparent", GOOD.replace(TRACE, "0" * 32))], 3)]
        self.assertNotIn("0" * 32, {trace for trace, _, _ in calls})
        self.assertEqual(len({parent for _, parent, _ in calls}), 3)

    def test_the_random_flag_is_passed_on(self):
        trace, parent, flags = self.parent(("traceparent", GOOD[:-2] + "02"))
        self.assertEqual(trace, TRACE)
        self.assertNotEqual(parent, PARENT)
        self.assertEqual(int(flags, 16) & 2, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
