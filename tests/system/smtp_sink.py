"""A mail server (aiosmtpd) that keeps what it takes, and refuses what it is told to."""
import asyncio
import email
import email.policy
import logging
import os
import ssl
import subprocess
import threading
import unittest

try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    if "CI" in os.environ:
        raise
    SMTP = None

logging.getLogger("mail").setLevel(logging.CRITICAL)  # of clients that break off, as they are to


class SmtpSink:
    """`with SmtpSink() as sink: ... sink.mails`; `sink.answers["nobody@example.com"] = ["451 later", "250 ok"]`.

    With `certificate`, an (identity, key) of PEM files, it offers STARTTLS, or, `encrypted`, talks nothing else. With
    `login`, a (user, password), it takes mail from that user alone.
    """

    def __init__(self, certificate=None, encrypted=False, login=None):
        if SMTP is None:
            raise unittest.SkipTest("there is no aiosmtpd; ./dev setup installs it")
        self.mails = []  # email messages with .recipient, .encrypted and .login
        self.answers = {}  # to RCPT, by address, used up from the first on; the last one stays
        self.attempts = []  # the recipients asked for, in order
        self.logins = []  # (user, password), right or wrong, in order
        self.connections = 0
        self.encrypted, self.login, self.tls = encrypted, login, None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)

    def __enter__(self):
        started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(started)))
        self.thread.start()
        started.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ending.set)
        self.thread.join()

    @property
    def url(self):
        return "{}://127.0.0.1:{}".format("smtps" if self.encrypted else "smtp", self.port)

    async def serve(self, started):
        self.loop, self.ending = asyncio.get_running_loop(), asyncio.Event()
        self.loop.set_exception_handler(lambda *_: None)  # connections that a client broke off
        server = await self.loop.create_server(self.conversation, "127.0.0.1", 0, ssl=self.tls if self.encrypted else None)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self.ending.wait()
        server.close()

    def conversation(self):
        self.connections += 1
        starttls = self.tls is not None and not self.encrypted
        return SMTP(self, hostname="sink", tls_context=self.tls if starttls else None, require_starttls=starttls,
                    auth_required=self.login is not None, auth_require_tls=starttls, authenticator=self.check_login, loop=self.loop)

    def check_login(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == self.login, handled=False)

    async def handle_RCPT(self, server, session, envelope, recipient, options):
        self.attempts.append(recipient)
        answers = self.answers.get(recipient, ["250 ok"])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.startswith("250"):
            envelope.rcpt_tos.append(recipient)
        return answer

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail.recipient = envelope.rcpt_tos[-1]
        mail.encrypted = server.transport.get_extra_info("sslcontext") is not None
        mail.login = self.logins[-1][0] if session.authenticated else None
        self.mails.append(mail)
        return "250 taken"


def make_certificates(folder):
    """Makes an authority, and what it certifies: the paths of the authority, of 127.0.0.1 and of somewhere else, each of the
    last two as (certificate, key)."""

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=market test authority",
            "-keyout", "ca.key", "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    made = [os.path.join(folder, "ca.pem")]
    for name, subject in (("here", "IP:127.0.0.1"), ("elsewhere", "DNS:mail.example.com")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out",
                name + ".csr", "-addext", "subjectAltName=" + subject)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-copy_extensions", "copy", "-out", name + ".pem")
        made.append((os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")))
    return made
