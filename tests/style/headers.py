"""headers.py <repository> <build folder>: every public header compiles alone, with what its module may see.

The flags are those of the module's own sources, without its private src/ folder and without a precompiled header. A
header that was good is checked again only when it, a header of ours that it includes, or the flags have changed.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile


def flags_of_modules(build, root):
    """module -> (folder, compiler and flags), from a source of the library, or of the tests of a header-only module."""
    flags = {}
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        commands = json.load(file)
    for each in sorted(commands, key=lambda each: "/tests/" in each["file"]):
        found = re.match(re.escape(str(root)) + r"/modules/([^/]+)/(src|tests)/", each["file"])
        if found and found[1] not in flags:
            words = each.get("arguments") or shlex.split(each["command"])
            flags[found[1]] = (each["directory"], checking_flags(words, each["file"], f"{root}/modules/{found[1]}/src"))
    return flags


def checking_flags(words, source, private):
    compiler = next(index for index, word in enumerate(words) if re.search(r"(clang|g)\+\+[^/]*$", word))
    kept, index = [words[compiler]], compiler + 1
    while index < len(words):
        word = words[index]
        if word in ("-o", "-MF", "-MT", "-MQ", "-include-pch"):
            index += 1
        elif word == "-Xclang":  # -Xclang -include-pch -Xclang <file>, and the like
            if words[index + 1] in ("-include-pch", "-include"):
                index += 2
            index += 1
        elif word not in ("-c", source, f"-I{private}", "-MD", "-Winvalid-pch") and not word.startswith("-fsanitize"):
            kept.append(word)
        index += 1
    return kept


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def contents(files):
    return [file + digest(pathlib.Path(file).read_text(encoding="utf-8")) for file in files]


def still_good(known, text, flags):
    try:
        return known is not None and known["state"] == digest(text, *flags, *contents(known["files"]))
    except OSError:
        return False


def check(root, text, folder, flags):
    """(what the compiler says of a source text, the state to remember when it says nothing)."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = os.path.join(scratch, "files")
        run = subprocess.run([*flags, "-fsyntax-only", "-MD", "-MT", "header", "-MF", listed, "-x", "c++", "-"],
                             input=text, cwd=folder, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            return run.stderr or f"the compiler ended with status {run.returncode}", None
        words = pathlib.Path(listed).read_text(encoding="utf-8").replace("\\\n", " ").split()[1:]
    files = sorted({os.path.normpath(os.path.join(folder, word)) for word in words if str(root) in word})
    return "", {"files": files, "state": digest(text, *flags, *contents(files))}


def main(root, build):
    root, build = pathlib.Path(root).resolve(), pathlib.Path(build).resolve()
    cache_file = build / "headers_checked.json"
    try:
        cache = json.loads(cache_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        cache = {}
    flags = flags_of_modules(build, root)
    good, waiting = {}, []
    for header in sorted(root.glob("modules/*/include/**/*.hpp")):
        module = header.relative_to(root).parts[1]
        if module not in flags:
            continue  # the module is not part of this build
        name = header.relative_to(root / "modules" / module / "include").as_posix()
        text = f"#include <{name}>\n"
        if still_good(cache.get(name), text, flags[module][1]):
            good[name] = cache[name]
        else:
            waiting.append((name, text, *flags[module]))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        answers = pool.map(lambda each: check(root, *each[1:]), waiting)
        for (name, *_), (problem, state) in zip(waiting, answers):
            if problem:
                bad += 1
                print(f"<{name}> does not compile alone: include what it uses\n{problem}")
            else:
                good[name] = state
    cache_file.write_text(json.dumps(good), encoding="utf-8")
    print(f"{len(good) + bad} headers, {len(waiting)} compiled now, {bad} not self-contained")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
