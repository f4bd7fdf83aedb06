"""Runs the programs of tools/bench/messaging.sh in turns and prints medians: messages a second, CPU for each message of
the client by its own accounting and of the server by the kernel's, and the latency of publishing at half load.

    messaging.py --url amqp://... --rounds 5 --messages 50000 --amqplib-folder FOLDER name=program...
"""
import argparse
import collections
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

TYPES = ("classic", "quorum")
OURS = "weft"
# What each acknowledgement of a consumer covers: one message, or the fifty up to it (AMQP's `multiple`).
WORK = (("publish", 1), ("consume", 50), ("publish", 1), ("consume", 1))
# The ratio of our rate to theirs that is asked for.
TARGETS = {("publish", "amqplib"): 1.2, ("publish", "librabbitmq"): 1.5, ("consume", "librabbitmq"): 1.2}


def cpu_of_session(session):
    """Seconds that the processes which the services tool started have used: RabbitMQ is several."""
    ticks = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended meanwhile
        if fields[3] == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_rest(session):
    """Until the server has done with what the program before left it: that would be counted as the next one's."""
    for _ in range(40):
        before = cpu_of_session(session)
        time.sleep(0.25)
        if cpu_of_session(session) - before < 0.025:
            return


class Programs:
    def __init__(self, options):
        self.commands = dict(each.split("=", 1) for each in options.programs)
        self.url, self.folder, self.server = options.url, options.amqplib_folder, options.server

    def run(self, name, queue_type, mode, count, **more):
        command = shlex.split(self.commands[name])
        # node finds amqplib from its folder; the others do not mind.
        command[0] = os.path.abspath(command[0]) if os.path.exists(command[0]) else command[0]
        options = {"url": self.url, "queue-type": queue_type, "mode": mode, "count": count, "window": 256,
                   "prefetch": 250, "queue": f"weft.bench.{name.replace(' ', '-')}.{queue_type}", **more}
        for key, value in options.items():
            command += [f"--{key}", str(value)]
        wait_for_rest(self.server)
        before = cpu_of_session(self.server)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=600, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"{name} failed: {done.stderr.strip()}\n  {shlex.join(command)}")
        found = json.loads(done.stdout.strip().splitlines()[-1])
        found["server_us"] = 1e6 * (cpu_of_session(self.server) - before) / found["count"]
        return found


def measure_rates(programs, rounds, messages):
    found = collections.defaultdict(list)
    for number in range(1, rounds + 1):
        for queue_type in TYPES:
            for step, (mode, ack_every) in enumerate(WORK):
                # Whoever begins meets the broker in another state: take turns at that, too.
                names = list(programs.commands)
                turn = (number + step // 2) % len(names)
                for name in names[turn:] + names[:turn]:
                    more = {"ack-every": ack_every} if mode == "consume" else {}
                    found[queue_type, mode, ack_every, name].append(
                        programs.run(name, queue_type, mode, messages, **more))
        print(f"round {number} of {rounds}", file=sys.stderr)
    return found


def median(results, key):
    return statistics.median(each[key] for each in results)


def print_rates(programs, found):
    for queue_type in TYPES:
        for mode, ack_every in dict.fromkeys(WORK):
            print(f"\n{mode}, {queue_type} queue" + (f", acknowledged by {ack_every}" if mode == "consume" else ""))
            ours = median(found[queue_type, mode, ack_every, OURS], "per_second")
            for name in programs.commands:
                results = found[queue_type, mode, ack_every, name]
                rate = median(results, "per_second")
                line = (f"  {name:12} {rate:8.0f} messages/s  CPU each: {median(results, 'cpu_us'):6.2f} us, "
                        f"server {median(results, 'server_us'):6.1f} us")
                if name != OURS:
                    line += f"  weft / {name}: {ours / rate:.2f}"
                    if target := TARGETS.get((mode, name)):
                        line += f" (target: {target})"
                print(line)


def print_latencies(programs, found, rounds):
    for queue_type in TYPES:
        slowest = min(median(found[queue_type, "publish", 1, name], "per_second") for name in programs.commands)
        rate = int(slowest / 2)
        results = collections.defaultdict(list)
        for _ in range(rounds):
            for name in programs.commands:
                results[name].append(programs.run(name, queue_type, "publish", 5 * rate, rate=rate))
        print(f"\nlatency of publishing at half load, {queue_type} queue, {rate} messages/s")
        for name, each in results.items():
            print(f"  {name:12} median {median(each, 'p50_us') / 1000:7.2f} ms, p99 {median(each, 'p99_us') / 1000:7.2f} ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--amqplib-folder", required=True)
    parser.add_argument("--server", required=True, help="the process that the services tool began: its session's number")
    parser.add_argument("programs", nargs="+", metavar="name=program")
    options = parser.parse_args()
    programs = Programs(options)
    found = measure_rates(programs, options.rounds, options.messages)
    print_rates(programs, found)
    print_latencies(programs, found, min(options.rounds, 3))


if __name__ == "__main__":
    main()
