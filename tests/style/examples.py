"""examples.py <repository> <build folder>: the examples in the first comments of public headers compile.

An example is what stands indented (`//     code`) in the comment that opens a header. What it takes for given, such as a
loop and a context, is declared in tests/style/examples/<module>/<header>.cpp; with that file the example is compiled, as
the body of a function (a coroutine, when it awaits), its definitions of types before it. `...` stands for nothing.

A header without such a file is listed in tests/style/examples/unchecked.txt. The list only gets shorter: a new header
brings the file for its example.
"""
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

from headers import contents, digest, flags_of_modules

FOLDER = pathlib.Path("tests/style/examples")
COMMENT = re.compile(r"#pragma once\n((?://[^\n]*\n)+)")
# A paragraph of an example that begins like this stands outside of functions.
DEFINITION = re.compile(r"(?:template\s*<|struct\b|class\b|enum\b|inline\b|using\s+\w+\s*=|BOOST_DESCRIBE_|(?!return|if|for|while|switch)"
                        r"[\w:<>,&* ]+\s[\w:]+\([^;=]*\)\s*(?:const\s*)?\{\s*$)")


def example_of(text):
    """The paragraphs of a header's example, or none."""
    found = COMMENT.match(text)
    lines = [] if not found else [line[7:] if line.startswith("//     ") else "" if line == "//" else None
                                  for line in found[1].split("\n")]
    paragraphs, current = [], []
    for line in [*lines, None]:
        if line:
            current.append(line)
        elif current:
            paragraphs.append("\n".join(current))
            current = []
    return paragraphs


def without_ellipses(code):
    return re.sub(r"^\s*\.\.\.\s*$", "", re.sub(r"\{\s*\.\.\.\s*\}", "{}", code), flags=re.MULTILINE)


# Modules whose names are not those of their namespaces.
NAMESPACES = {"base": "weft", "runtime": "weft", "messaging_amqp": "weft::messaging", "messaging_sqlite": "weft::messaging",
              "messaging_http": "weft::messaging", "outbox": "weft::messaging"}


def unit_of(name, module, paragraphs, given):
    """The translation unit that compiles an example, in a namespace of its own within the module's."""
    outside, inside = [], []
    for each in map(without_ellipses, paragraphs):
        (outside if DEFINITION.match(each.split("\n", 1)[0]) and not inside else inside).append(each)
    body = "\n".join(inside)
    awaits = re.search(r"\bco_await\b|\bWEFT_CO_", body)
    head = "weft::task<weft::result<>> example()" if awaits else "weft::result<> example()"
    end = "co_return weft::result<>{};" if awaits else "return {};"
    includes = [line for line in given.split("\n") if line.startswith("#include")]
    declared = [line for line in given.split("\n") if not line.startswith("#include")]
    if awaits:
        includes.append("#include <weft/runtime/task.hpp>")
    function = f"{head} {{\n{body}\n{end}\n}}" if inside else ""
    space = NAMESPACES.get(module, f"weft::{module}")
    return "\n".join(["#include <weft/base/error.hpp>", f"#include <{name}>", "#include <chrono>", *includes,
                      f"namespace {space}::examples {{", "using namespace std::chrono_literals;", *declared, *outside,
                      function, "}", ""])


def compile_unit(unit, folder, flags):
    run = subprocess.run([*flags, "-w", "-fsyntax-only", "-x", "c++", "-"], input=unit, cwd=folder, capture_output=True,
                         text=True, check=False)
    return "" if run.returncode == 0 else run.stderr or f"the compiler ended with status {run.returncode}"


def listed(root):
    text = (root / FOLDER / "unchecked.txt").read_text(encoding="utf-8")
    return {line for line in text.split("\n") if line and not line.startswith("#")}


def find(root):
    """(examples that are compiled as (header, module, paragraphs, given), problems of the list)."""
    unchecked, checked, problems = listed(root), [], []
    for header in sorted(root.glob("modules/*/include/**/*.hpp")):
        module = header.relative_to(root).parts[1]
        name = header.relative_to(root / "modules" / module / "include").as_posix()
        given = (root / FOLDER / name.removeprefix("weft/")).with_suffix(".cpp")
        paragraphs = example_of(header.read_text(encoding="utf-8"))
        if given.exists() and name in unchecked:
            problems.append(f"<{name}> is compiled: take it off {FOLDER}/unchecked.txt")
        if given.exists() and paragraphs:
            checked.append((header, name, module, paragraphs, given.read_text(encoding="utf-8")))
        elif given.exists():
            problems.append(f"{given.relative_to(root)}: <{name}> has no example")
        elif paragraphs and name not in unchecked:
            problems.append(f"<{name}> has an example that nothing compiles: declare what it takes for given in "
                            f"{given.relative_to(root)} (tests/style/examples.py says how)")
        elif not paragraphs and name in unchecked:
            problems.append(f"<{name}> has no example: take it off {FOLDER}/unchecked.txt")
    for name in sorted(unchecked):
        if not any((root / "modules").glob(f"*/include/{name}")):
            problems.append(f"<{name}> is not there: take it off {FOLDER}/unchecked.txt")
    return checked, problems


def main(root, build):
    root, build = pathlib.Path(root).resolve(), pathlib.Path(build).resolve()
    cache_file = build / "examples_checked.json"
    try:
        cache = json.loads(cache_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        cache = {}
    flags, good, waiting = flags_of_modules(build, root), {}, []
    checked, problems = find(root)
    for header, name, module, paragraphs, given in checked:
        if module not in flags:
            continue
        unit = unit_of(name, module, paragraphs, given)
        state = digest(unit, *flags[module][1], *contents([str(header)]))
        # What a header says of itself is held to the header; others that it includes change seldom and are built anyway.
        if cache.get(name) == state:
            good[name] = state
        else:
            waiting.append((name, state, unit, *flags[module]))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for (name, state, _, _, _), problem in zip(waiting, pool.map(lambda each: compile_unit(*each[2:]), waiting)):
            if problem:
                problems.append(f"the example of <{name}> does not compile\n{problem}")
            else:
                good[name] = state
    cache_file.write_text(json.dumps(good), encoding="utf-8")
    for each in problems:
        print(each)
    print(f"{len(checked)} examples, {len(waiting)} compiled now, {len(listed(root))} unchecked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
