"""resilience_report.py <ours.csv> <peers.txt>: medians, and how many times more a peer costs.

A policy's own cost is what it adds to a pipeline without policies; a peer's is what it adds to a bare await.
"""
import collections
import statistics
import sys

COUNTERPARTS = {
    "resilience_breaker": ["opossum_breaker", "cockatiel_breaker"],
    "resilience_timeout": ["cockatiel_timeout"],
    "resilience_retry": ["cockatiel_retry"],
    "resilience_bulkhead": ["cockatiel_bulkhead"],
    "resilience_breaker_and_timeout": ["opossum_breaker_and_timeout", "cockatiel_breaker_and_timeout"],
    "resilience_five": ["opossum_breaker_timeout_bulkhead", "cockatiel_four"],
}


def read_ours(path):
    """name -> (times in ns, allocations); processor time per call, which other programs disturb least."""
    times, allocations = collections.defaultdict(list), {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.strip().split(",")
            times[fields[0]].append(float(fields[3]))
            if fields[-1]:
                allocations[fields[0]] = float(fields[-1])
    return times, allocations


def read_peers(path):
    times = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, value = line.split()
            times[name].append(float(value))
    return times


def main(ours_path, peers_path):
    ours, allocations = read_ours(ours_path)
    peers = read_peers(peers_path)
    median = {name: statistics.median(values) for name, values in (*ours.items(), *peers.items())}
    empty = median.get("resilience_empty", 0)
    print(f"{'':44}{'ns/call':>9}{'added':>9}{'allocs':>8}")
    for name in ours:
        bare = name in ("resilience_call_bare", "resilience_suspending_bare")
        base = median.get("resilience_suspending_bare", 0) if name == "resilience_five_suspending" else empty
        added = "" if bare or name == "resilience_empty" else f"{median[name] - base:.1f}"
        print(f"{name:44}{median[name]:9.1f}{added:>9}{allocations.get(name, 0):8.2f}")
    for name in peers:
        added = "" if name == "bare" else f"{median[name] - median['bare']:.1f}"
        print(f"{name:44}{median[name]:9.1f}{added:>9}")
    for name, others in COUNTERPARTS.items():
        ours_name = name if name in median else name + "/threads:1"
        for other in others:
            if other in median and ours_name in median:
                print(f"{other} / {name}: {median[other] / median[ours_name]:.1f} times the whole call")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
