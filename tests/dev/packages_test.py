"""How ./dev installs packages, with a pretended system: what it asks for, once more after an update, and its remedies."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What the pretended apt-get does: `install` succeeds once `update` ran when told so, else as told.
APT_GET = """#!/bin/sh
echo "$*" >>"$STATE/apt-get.log"
case "$*" in
  *update*) touch "$STATE/updated"; [ "$WORLD" != offline ] || { echo "E: Failed to fetch x"; exit 100; } ;;
  *install*)
    case "$WORLD" in
      good) ;;
      stale) [ -e "$STATE/updated" ] || { echo "E: Unable to locate package x"; exit 100; } ;;
      offline) echo "E: Unable to fetch some archives: Temporary failure resolving"; exit 100 ;;
      other-release) echo "E: Unable to locate package clang-19"; exit 100 ;;
    esac
    [ -e "$GUARD" ] || echo "no guard" >>"$STATE/apt-get.log" ;;
esac
"""
DPKG_QUERY = """#!/bin/sh
for word; do case "$word" in -*|'${'*) ;; $LACKS) ;; *) echo "$word installed" ;; esac; done
"""


def run(world, lacks, root=True, script="need build", tools=("apt-get", "dpkg-query")):
    """(exit status, what it said, the calls of apt-get)"""
    with tempfile.TemporaryDirectory() as scratch:
        state = pathlib.Path(scratch)
        programs = state / "programs"
        programs.mkdir()
        for name, text in {"apt-get": APT_GET, "dpkg-query": DPKG_QUERY.replace("$LACKS", lacks or "'<none>'")}.items():
            if name in tools:
                (programs / name).write_text(text)
                (programs / name).chmod(0o755)
        for name in ("awk", "bash", "cat", "chmod", "env", "grep", "mkdir", "mktemp", "rm", "sed", "sh", "tail", "tee",
                     "touch"):
            os.symlink(shutil.which(name), programs / name)
        (state / "tools").mkdir()
        os.symlink(ROOT / "tools/packages.txt", state / "tools/packages.txt")
        text = (ROOT / "tools/dev/lib.sh").read_text()
        text = text.replace("start_guard=/usr/sbin/policy-rc.d", f"start_guard={state}/guard")
        text = text.replace("EUID == 0", "1" if root else "0")
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{text}\n{script}"], cwd=state, capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, start_new_session=True,
            env={"PATH": str(programs), "STATE": str(state), "WORLD": world, "GUARD": f"{state}/guard"})
        log = state / "apt-get.log"
        calls = log.read_text().splitlines() if log.exists() else []
        if (state / "guard").exists():
            calls.append("guard left behind")
        return done.returncode, done.stdout + done.stderr, [short(call) for call in calls]


def short(call):
    words = call.split()
    for verb in ("install", "update"):
        if verb in words:
            return " ".join(word for word in words[words.index(verb):] if not word.startswith("-"))
    return call


CASES = [
    # what, arguments of run(), status, words it says, calls of apt-get
    ("nothing is missing", {"world": "good", "lacks": ""}, 0, "", []),
    ("one is missing", {"world": "good", "lacks": "ccache"}, 0, "ccache", ["install ccache"]),
    ("two are missing", {"world": "good", "lacks": "ccache|cmake"}, 0, "", ["install ccache cmake"]),
    ("the lists are old", {"world": "stale", "lacks": "ccache"}, 0, "once more",
     ["install ccache", "update", "install ccache"]),
    ("no network", {"world": "offline", "lacks": "ccache"}, 1, "remedy: check the network",
     ["install ccache", "update"]),
    ("another release", {"world": "other-release", "lacks": "ccache"}, 1, "Debian 12",
     ["install ccache", "update", "install ccache"]),
    ("no rights", {"world": "good", "lacks": "ccache", "root": False}, 1,
     "remedy: as root: apt-get install --no-install-recommends ccache", []),
    ("no apt-get", {"world": "good", "lacks": "ccache", "tools": ("dpkg-query",)}, 1, "there is no apt-get: ccache", []),
    ("not Debian", {"world": "good", "lacks": "ccache", "tools": ()}, 0, "not a Debian system", []),
    ("another source of the command", {"world": "good", "lacks": "npm", "script": "npm() { :; }; need bench"}, 0, "", []),
    ("without that source", {"world": "good", "lacks": "npm|wrk", "script": "need bench"}, 0, "", ["install wrk npm"]),
]


def main():
    wrong = 0
    for what, arguments, status, words, calls in CASES:
        found = run(**arguments)
        if found[0] != status or words not in found[1] or found[2] != calls:
            wrong += 1
            print(f"{what}: expected {status}, {words!r}, {calls}; found {found}")
    print(f"{len(CASES)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
