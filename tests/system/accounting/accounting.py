"""Moves messages through a broker while everything around them fails, and says what became of each.

    accounting.py rabbitmq|sqlite --program accounting --proxy tcp_proxy --folder FOLDER [--messages N] [--seed N]

RabbitMQ: a publisher and a consumer, each behind a proxy that is cut, stalled, delayed and refuses; rabbitmqctl closes
all connections, the broker restarts, the processes are killed with SIGKILL. sqlite: one process that does both, killed.
Which fault comes when is drawn from the seed. Fails unless every confirmed message had its effect exactly once, in the
order of its key. RabbitMQ is the one of WEFT_SERVICES and WEFT_RABBITMQ_PORT, which belongs to this test alone.
"""
import argparse
import collections
import os
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time

SKIPPED = 77


class Program:
    """A process that is started again whenever it is killed, until it ends by itself."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log = name, command, log
        self.kills, self.effects, self.confirmed = 0, 0, None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def read(self, output):
        for line in output:
            if found := re.match(r"effects (\d+)", line):
                self.effects = int(found[1])
            elif found := re.match(r"confirmed (\d+) attempts (\d+)", line):
                self.confirmed = int(found[1]), int(found[2])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.kills += 1
            self.start()

    def done(self):
        if self.process.poll() is None:
            return False
        if self.process.returncode != 0:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: see {self.log.name}")
        self.reader.join()
        return True

    def end(self):
        self.process.kill()
        self.process.wait()


class Proxy:
    def __init__(self, program, to, log):
        self.process = subprocess.Popen([program, "0", str(to)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=log, text=True)
        self.port, control = map(int, re.findall(r"\d+", self.process.stdout.readline()))
        self.connection = socket.create_connection(("127.0.0.1", control), timeout=30)
        self.lines = self.connection.makefile("rw", encoding="ascii")

    def say(self, line):
        self.lines.write(line + "\n")
        self.lines.flush()
        answer = self.lines.readline().strip()
        if not answer.startswith("ok"):
            raise AssertionError(f"proxy: {line}: {answer}")
        return answer

    def cut_connections(self):
        return int(re.search(r"cut (\d+)", self.say("figures"))[1])

    def end(self):
        self.process.terminate()
        self.process.wait()


def broker_port():
    return int(os.environ.get("WEFT_RABBITMQ_PORT", "24672"))


def broker_is_there():
    try:
        with socket.create_connection(("127.0.0.1", broker_port()), timeout=5):
            return True
    except OSError:
        return False


class Rabbit:
    """The faults of the run through RabbitMQ, by name; each has passed when its function returns."""

    def __init__(self, options, log, draw):
        port = broker_port()
        self.log, self.draw = log, draw
        self.proxies = [Proxy(options.proxy, port, log), Proxy(options.proxy, port, log)]
        self.programs = []
        for role, proxy in zip(("publish", "consume"), self.proxies):
            # Names of this run's own: the broker may remember an earlier one.
            url = (f"amqp://weft:weft@127.0.0.1:{proxy.port}/?exchange=weft.accounting.{os.getpid()}"
                   f"&prefix=weft.accounting.{os.getpid()}.&heartbeat=5&queues={options.queues}")
            self.programs.append(Program(role, [options.program, role, url, options.books, str(options.messages),
                                                str(options.keys), str(options.rate)], log))
        self.faults = {"cut": self.cut, "stall": self.stall, "delay": self.delay, "refuse": self.refuse,
                       "kill publisher": self.programs[0].kill, "kill consumer": self.programs[1].kill,
                       "close_all_connections": self.close_all, "restart": self.restart}

    def any_proxy(self):
        """Of those that still carry something: the publisher is done first."""
        return self.draw.choice([proxy for program, proxy in zip(self.programs, self.proxies)
                                 if program.process.poll() is None] or self.proxies)

    def cut(self):
        self.any_proxy().say("cut")

    def during(self, begin, end, shortest, longest):
        proxy = self.any_proxy()
        proxy.say(begin)
        time.sleep(self.draw.uniform(shortest, longest))
        proxy.say(end)

    def stall(self):
        self.during("stall", "flow", 0.2, 2)

    def delay(self):
        self.during("delay 30", "delay 0", 0.5, 2)

    def refuse(self):
        proxy = self.any_proxy()
        proxy.say("refuse")
        proxy.say("cut")
        time.sleep(self.draw.uniform(0.1, 1))
        proxy.say("admit")

    def close_all(self):
        self.run("bash", os.path.join(os.environ.get("WEFT_SERVICES", "build/services"), "rabbitmq/ctl"),
                 "close_all_connections", "a fault of the test")

    def restart(self):
        self.run("./dev", "services", "restart", "rabbitmq")

    def run(self, *command):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, check=True, timeout=300)

    def end(self):
        for each in (*self.programs, *self.proxies):
            each.end()

    def cut_connections(self):
        return sum(each.cut_connections() for each in self.proxies)


class Sqlite:
    def __init__(self, options, log, draw):
        self.programs = [Program("both", [options.program, "both", f"sqlite:{options.books}/broker.db", options.books,
                                          str(options.messages), str(options.keys), str(options.rate)], log)]
        self.faults = {"kill": self.programs[0].kill}

    def end(self):
        self.programs[0].end()


def run_faults(world, options, draw):
    """Until the programs are done. A fault of each kind comes before the second of any, and messages between two:
    what starts again with a long queue to read must come to its work."""
    counts, deck, began, told = collections.Counter(), [], time.monotonic(), 0
    next_fault, effects_then, step = began, 0, min(2_000, options.messages // 32)
    while not all([each.done() for each in world.programs]):
        now = time.monotonic()
        if now - began > options.limit:
            raise AssertionError(f"not done within {options.limit} s: {progress(world)}")
        if now - told >= 10:
            print(f"{now - began:6.0f} s  {progress(world)}", flush=True)
            told = now
        effects = world.programs[-1].effects
        moved = effects >= effects_then + step or (effects > 0 and now > next_fault + 60)
        # Towards the end the last messages pass undisturbed.
        if now >= next_fault and moved and effects < options.messages * 0.95:
            effects_then = effects
            deck = deck or draw.sample(sorted(world.faults), len(world.faults))
            name = deck.pop()
            world.faults[name]()
            counts[name] += 1
            next_fault = time.monotonic() + draw.uniform(*options.pause)
        time.sleep(0.05)
    return counts


def progress(world):
    return ", ".join(f"{each.name}: {each.effects} effects" for each in world.programs if each.name != "publish")


def account(world, options):
    confirmed, attempts = next(each.confirmed for each in world.programs if each.confirmed)
    book = sqlite3.connect(os.path.join(options.books, "handled.db"))

    def ask(sql):
        return book.execute(sql).fetchone()[0]

    effects, handled = ask("SELECT count(*) FROM effects"), ask("SELECT count(DISTINCT number) FROM effects")
    duplicates, disorder = ask("SELECT duplicates FROM tally"), ask("SELECT count(*) FROM disorder")
    remembered = ask("SELECT count(*) FROM weft_inbox")
    book.close()
    print(f"""messages              {options.messages}
published             {attempts} (with repetitions, as far as the killed ones had noted them)
confirmed             {confirmed}
delivered             {effects + duplicates}
effects               {effects}
duplicates absorbed   {duplicates}
lost                  {confirmed - handled}
effects repeated      {effects - handled}
out of key order      {disorder}""")
    wrong = []
    if confirmed != options.messages:
        wrong.append("not everything was confirmed")
    if handled != confirmed:
        wrong.append("confirmed messages were lost")
    if effects != handled:
        wrong.append("effects happened twice")
    if remembered != handled:
        wrong.append("the inbox and the effects differ")
    if disorder:
        wrong.append("keys were handled out of order")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("broker", choices=("rabbitmq", "sqlite"))
    parser.add_argument("--program", required=True)
    parser.add_argument("--proxy", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--messages", type=int, default=20_480)
    parser.add_argument("--keys", type=int, default=1_024)
    parser.add_argument("--rate", type=float, default=1_500, help="messages published a second, at most")
    parser.add_argument("--queues", default="quorum")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--pause", type=float, nargs=2, default=(0.3, 1.2), help="seconds between faults")
    parser.add_argument("--limit", type=float, default=500, help="seconds for all of it")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    draw = random.Random(seed)
    options.books = os.path.abspath(os.path.join(options.folder, options.broker))
    shutil.rmtree(options.books, ignore_errors=True)
    os.makedirs(options.books)
    print(f"{options.broker}: {options.messages} messages, {options.keys} keys, seed {seed}", flush=True)
    if options.broker == "rabbitmq" and not broker_is_there():
        print(f"no RabbitMQ at port {broker_port()}; ./dev services start rabbitmq starts one")
        return 1 if "CI" in os.environ else SKIPPED
    with open(os.path.join(options.books, "log"), "w", encoding="utf-8") as log:
        world = (Rabbit if options.broker == "rabbitmq" else Sqlite)(options, log, draw)
        began = time.monotonic()
        try:
            faults = run_faults(world, options, draw)
            print(f"seconds               {time.monotonic() - began:.0f}")
            print("faults                " + ", ".join(f"{name} {count}" for name, count in sorted(faults.items())))
            wrong = account(world, options)
            if options.broker == "rabbitmq":
                print(f"connections cut       {world.cut_connections()} by the proxies")
                if world.cut_connections() == 0:
                    wrong.append("no connection was cut: the run proves nothing")
            if sum(each.kills for each in world.programs) == 0:
                wrong.append("no process was killed: the run proves nothing")
        finally:
            world.end()
    for each in wrong:
        print(f"WRONG: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
