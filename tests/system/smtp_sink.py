"""A mail server that keeps what it takes, and refuses what it is told to: enough of SMTP (RFC 5321) for one client."""
import asyncio
import email
import email.policy
import threading


class SmtpSink:
    """`with SmtpSink() as sink: ... sink.mails`; `sink.answers["nobody@example.com"] = ["451 later", "250 ok"]`."""

    def __init__(self):
        self.mails = []  # email messages with .recipient
        self.answers = {}  # to RCPT, by address, used up from the first on; the last one stays
        self.attempts = []  # the recipients asked for, in order
        self.connections = 0

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
        return "smtp://127.0.0.1:{}".format(self.port)

    async def serve(self, started):
        self.loop, self.ending = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self.ending.wait()
        server.close()

    def answer_to(self, recipient):
        self.attempts.append(recipient)
        answers = self.answers.get(recipient, ["250 ok"])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def talk(self, reader, writer):
        self.connections += 1
        recipients = []

        def say(line):
            writer.write(line.encode() + b"\r\n")

        say("220 sink")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb == "EHLO":
                say("250-sink")
                say("250 8BITMIME")
            elif verb == "RCPT":
                recipient = line[line.index("<") + 1:line.index(">")]
                answer = self.answer_to(recipient)
                if answer.startswith("250"):
                    recipients.append(recipient)
                say(answer)
            elif verb == "DATA":
                say("354 go on")
                await writer.drain()
                text = await reader.readuntil(b"\r\n.\r\n")
                mail = email.message_from_bytes(text[:-3], policy=email.policy.default)
                mail.recipient = recipients[-1]
                self.mails.append(mail)
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                break
            else:
                say("250 ok")
            await writer.drain()
        writer.close()
