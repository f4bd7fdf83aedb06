"""against.py <before> <after> [rounds] [name]...: two builds of weft side by side, taking turns.

<before> and <after> are build folders of the preset release. Each round runs every program once from each of them, so
that what else the machine does meets both; which of the two goes first changes from round to round. Times are CPU time
per operation. A figure is the median over the rounds, and the ratio is the median of the rounds' ratios.
Called by: ./dev bench against <commit> [rounds] [name]...
"""
import collections
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request


def cpu_seconds(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, deadline=10):
    end = time.monotonic() + deadline
    while True:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
        except OSError:
            if time.monotonic() > end:
                raise


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def http(folder):
    port = free_port()
    with subprocess.Popen(["taskset", "-c", "0", f"{folder}/bench/http_server", str(port)]) as server:
        try:
            wait_for(port)
            before = cpu_seconds(server.pid)
            out = run("taskset", "-c", "1", "wrk", "-t1", "-c64", "-d3s", f"http://127.0.0.1:{port}/")
            spent = cpu_seconds(server.pid) - before
        finally:
            server.terminate()
    if "Socket errors" in out or "Non-2xx" in out:
        sys.exit(out)
    yield "http", spent / int(re.search(r"(\d+) requests in", out)[1]) * 1e9


def http_client(folder):
    out = run(f"{folder}/bench/http_client", "1")
    found = re.search(r"median: client ([\d.]+) us, server ([\d.]+) us", out)
    yield "http_client, client", float(found[1]) * 1e3
    yield "http_client, server", float(found[2]) * 1e3


def resilience(folder):
    out = run(f"{folder}/bench/resilience", "--benchmark_min_time=0.05", "--benchmark_format=csv")
    for line in out.splitlines():
        fields = line.split(",")
        if fields[0].startswith('"resilience_'):
            yield fields[0].strip('"'), float(fields[3])


def messaging_memory(folder):
    for line in run("taskset", "-c", "0", f"{folder}/bench/messaging_memory", "1000000").splitlines():
        if found := re.match(r"(\w+) .* (\d+) ns each", line):
            yield f"messaging_memory, {found[1]}", float(found[2])


PROGRAMS = {each.__name__: each for each in (http, http_client, resilience, messaging_memory)}


def main(before, after, rounds="5", *names):
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; one of: {', '.join(PROGRAMS)}")
    figures = {before: collections.defaultdict(list), after: collections.defaultdict(list)}
    for number in range(int(rounds)):
        for name in names or PROGRAMS:
            order = [before, after] if number % 2 == 0 else [after, before]
            for folder in order:
                for key, value in PROGRAMS[name](folder):
                    figures[folder][key].append(value)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    print(f"{'nanoseconds per operation':44} {'before':>9} {'after':>9} {'ratio':>6}")
    for key, old in figures[before].items():
        new = figures[after][key]
        ratio = statistics.median(n / o for n, o in zip(new, old))
        print(f"{key:44} {statistics.median(old):9.0f} {statistics.median(new):9.0f} {ratio:6.2f}")


if __name__ == "__main__":
    if len(sys.argv) < 3 or not all(os.path.isdir(f"{each}/bench") for each in sys.argv[1:3]):
        sys.exit(__doc__)
    main(*sys.argv[1:])
