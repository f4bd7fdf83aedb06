"""The market's mail by a real mail server: sent and sent again, encrypted, with a login, and to nobody who is not trusted."""
import os
import socket
import sys
import tempfile
import unittest

from program import Program, wait_until
from smtp_sink import SmtpSink, make_certificates

MARKET = sys.argv[1]
FREE_PORTS = ["--users.http.port=0", "--posts.http.port=0", "--notifications.http.port=0"]
LOGIN = ("market", "hunter2-pass")


def market(sink, *flags, environment=None):
    return Program([MARKET, *FREE_PORTS, "--notifications.smtp.url=" + sink.url, *flags], environment)


def create(program, name, fields=None):
    status, answer, _ = program.call("users", "POST", "/api/users",
                                     {"name": name, "email": name.lower() + "@example.com"}, fields)
    assert status == 201, answer
    return answer["data"]["id"]


def mails(program, query=""):
    return program.call("notifications", "GET", "/api/notifications" + query)[1]


def mail_server(program):
    """Its line of /health."""
    return program.call("notifications", "GET", "/health")[1]["checks"]["mail server"]


class Smtp(unittest.TestCase):
    def test_mails_are_sent_and_sent_again_until_the_server_takes_them(self):
        with SmtpSink() as sink:
            sink.answers["ada@example.com"] = ["451 try later", "452 still not", "250 ok"]
            with market(sink, "--notifications.first_delay=50ms") as program:
                ada = create(program, "Ada", {"X-Correlation-ID": "order-7"})
                bob = create(program, "Bob")
                wait_until(lambda: mails(program)["meta"]["total"] == 2)
                self.assertEqual(sink.attempts.count("ada@example.com"), 3)
                self.assertEqual({each.recipient for each in sink.mails}, {"ada@example.com", "bob@example.com"})
                self.assertEqual(len(sink.mails), 2)
                sent = mails(program, "?user_id=" + ada)["data"][0]
                self.assertEqual(sent["via"], "smtp")
                mail = next(each for each in sink.mails if each.recipient == "ada@example.com")
                self.assertEqual((mail["From"], mail["To"]), ("market@example.com", "ada@example.com"))
                self.assertEqual(mail["Subject"], "Welcome to the market")
                self.assertEqual(mail["Message-ID"], "<" + sent["event_id"] + "@example.com>")
                self.assertEqual((mail["X-Correlation-ID"], mail["Traceparent"]), ("order-7", sent["traceparent"]))
                self.assertEqual(mail.get_content().replace("\r\n", "\n"), sent["text"])
                self.assertEqual(mails(program, "?user_id=" + bob)["meta"]["total"], 1)
                self.assertEqual(mail_server(program), {"status": "healthy", "critical": False, "url": sink.url})

    def test_what_the_server_refuses_goes_to_the_dead_letters_with_its_words(self):
        with SmtpSink() as sink:
            sink.answers["ada@example.com"] = ["550 no such user here"]
            with market(sink, "--notifications.first_delay=10ms") as program:
                create(program, "Ada")
                wait_until(lambda: "a message goes to the dead letters" in program.said())
                self.assertRegex(program.said(), r'"topic":"user\.created","reason":"[^"]*550 no such user here')
                self.assertEqual(sink.attempts, ["ada@example.com"])
                create(program, "Bob")
                wait_until(lambda: mails(program)["meta"]["total"] == 1)
                self.assertEqual([each.recipient for each in sink.mails], ["bob@example.com"])
                self.assertIn('weft_messaging_handled_total{group="notifications.welcome",topic="user.created",'
                              'outcome="dead_letter"} 1', program.call("notifications", "GET", "/metrics")[1])

    def test_a_mail_server_that_says_nothing_holds_up_nobody_else(self):
        with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as folder:
            url = "smtp://127.0.0.1:{}".format(silent.getsockname()[1])
            with Program([MARKET, *FREE_PORTS, "--notifications.smtp.url=" + url, "--notifications.smtp.timeout=1h",
                          "--notifications.concurrency=3", "--users.database=sqlite:" + os.path.join(folder, "users.db"),
                          "--notifications.database=sqlite:" + os.path.join(folder, "mailbox.db")]) as program:
                for each in ("Ada", "Bob", "Eve", "Mia"):
                    create(program, each)
                wait_until(lambda: 'weft_messaging_in_flight{group="notifications.welcome"} 3'
                           in program.call("users", "GET", "/metrics")[1])
                create(program, "Zoe")
                self.assertEqual(program.call("users", "GET", "/api/users")[1]["meta"]["total"], 5)
                self.assertEqual(mails(program)["meta"]["total"], 0)

    def test_a_broker_in_a_file_keeps_what_was_not_sent(self):
        with tempfile.TemporaryDirectory() as folder, SmtpSink() as sink:
            sink.answers["ada@example.com"] = ["451 not today", "250 ok"]
            broker = "--messaging.broker=sqlite:" + os.path.join(folder, "events.db")
            with market(sink, broker, "--notifications.first_delay=3s") as program:
                create(program, "Ada")
                wait_until(lambda: 'outcome="retry"} 1' in program.call("notifications", "GET", "/metrics")[1])
                program.process.kill()
                program.wait()
            with market(sink, broker) as program:
                self.assertEqual(program.call("users", "GET", "/health")[1]["checks"]["broker"]["broker"], "sqlite")
                wait_until(lambda: mails(program)["meta"]["total"] == 1)
                self.assertEqual(sink.attempts, ["ada@example.com"] * 2)
                self.assertEqual([each.recipient for each in sink.mails], ["ada@example.com"])


class Encrypted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.authority, cls.here, cls.elsewhere = make_certificates(cls.folder.name)

    def start(self, sink, *flags, password=LOGIN[1]):
        program = market(sink, "--notifications.smtp.user=" + LOGIN[0], "--notifications.smtp.tls=required",
                         "--notifications.smtp.password=${env:SMTP_PASSWORD}", "--notifications.first_delay=50ms",
                         "--tracing.sample_ratio=1", *flags, environment={"SMTP_PASSWORD": password})
        self.addCleanup(program.__exit__)
        return program

    def trusting(self, sink, **more):
        return self.start(sink, "--notifications.smtp.authorities=" + self.authority, **more)

    def told(self, program, words):
        """Waits for what is wrong with the mail server to be logged and shown, with these words and without a password."""
        create(program, "Ada")
        wait_until(lambda: "mails cannot be sent, and wait" in program.said())
        line = mail_server(program)
        self.assertEqual((line["status"], line["critical"]), ("unhealthy", False))
        self.assertRegex(line["error"], words)
        self.assertRegex(program.said(), words)
        self.assertEqual(mails(program)["meta"]["total"], 0)
        self.assertEqual(program.call("notifications", "GET", "/health")[0], 200)
        self.assertEqual(program.drain(), 0)
        self.assertNotIn("hunter2", program.said() + line["error"])

    def test_mails_go_by_starttls_with_a_login(self):
        with SmtpSink(self.here, login=LOGIN) as sink:
            program = self.trusting(sink)
            create(program, "Ada")
            wait_until(lambda: mails(program)["meta"]["total"] == 1)
            self.assertEqual([(each.recipient, each.encrypted, each.login) for each in sink.mails],
                             [("ada@example.com", True, "market")])
            self.assertEqual(sink.logins, [LOGIN])
            self.assertNotIn("hunter2", program.said())

    def test_mails_go_by_a_connection_that_is_encrypted_from_the_start(self):
        with SmtpSink(self.here, encrypted=True, login=LOGIN) as sink:
            program = self.trusting(sink)
            create(program, "Ada")
            wait_until(lambda: mails(program)["meta"]["total"] == 1)
            self.assertEqual([(each.encrypted, each.login) for each in sink.mails], [(True, "market")])

    def test_a_wrong_password_is_told_and_mails_wait_for_the_right_one(self):
        with SmtpSink(self.here, login=LOGIN) as sink:
            program = self.trusting(sink, password="hunter2-wrong")
            self.told(program, r"the mail server refused the login of 'market': 535 .*check smtp\.user and smtp\.password")
            self.assertEqual((sink.mails, sink.attempts), ([], []))
            self.assertEqual(set(sink.logins), {("market", "hunter2-wrong")})

    def test_nothing_goes_to_a_server_that_nobody_trusted_certifies(self):
        for encrypted in (False, True):
            with self.subTest(encrypted=encrypted), SmtpSink(self.here, encrypted=encrypted, login=LOGIN) as sink:
                self.told(self.start(sink), r"the mail server is not trusted: .*certificate")
                self.assertGreater(sink.connections, 0)
                self.assertEqual((sink.mails, sink.attempts, sink.logins), ([], [], []))

    def test_nothing_goes_to_a_server_that_is_certified_for_another_name(self):
        with SmtpSink(self.elsewhere, login=LOGIN) as sink:
            self.told(self.trusting(sink), r"the mail server is not trusted: .*127\.0\.0\.1")
            self.assertEqual((sink.mails, sink.attempts, sink.logins), ([], [], []))

    def test_nothing_goes_in_the_clear_where_encryption_is_required(self):
        with SmtpSink() as sink:
            self.told(self.trusting(sink), r"the mail server offers no encryption")
            self.assertGreater(sink.connections, 0)
            self.assertEqual((sink.mails, sink.attempts), ([], []))

    def test_authorities_that_cannot_be_read_are_told(self):
        with SmtpSink(self.here, login=LOGIN) as sink:
            self.told(self.start(sink, "--notifications.smtp.authorities=/not/there.pem"), r"/not/there\.pem")

    def test_a_configuration_that_would_give_the_password_away_or_hold_others_up_is_refused(self):
        for flags, words in (
                (["--notifications.smtp.user=market", "--notifications.smtp.password=hunter2"],
                 r"notifications\.smtp\.tls: must be required where a password is sent"),
                (["--notifications.concurrency=4"], r"notifications\.concurrency: must be from 1 to 3"),
                (["--notifications.smtp.password=hunter2"], r"notifications\.smtp\.user: is missing"),
                (["--notifications.smtp.url=smtp://market:hunter2@127.0.0.1/"],
                 r"notifications\.smtp\.url: holds a user")):
            with self.subTest(words), SmtpSink() as sink, self.assertRaisesRegex(AssertionError, words) as refused:
                market(sink, *flags)
            self.assertRegex(str(refused.exception), "ended with 2")
            self.assertNotIn("hunter2", str(refused.exception))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
