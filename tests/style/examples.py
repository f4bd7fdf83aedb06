"""examples.py <repository> <build folder>: the examples in the comments of public headers compile.

An example is what stands indented (`//     code`) in comments, those of one header together. It is compiled as the body
of a function (a coroutine, when it awaits), its definitions of types before it. `...` stands for nothing. Lines for a shell,
YAML and lines of a trace are no code.

What the examples of a module take for given, such as a loop and a context, is declared in
tests/style/examples/<module>.cpp, what one of them takes besides in tests/style/examples/<module>/<header>.cpp. All
examples of a module are one translation unit, each in a namespace of its own.
"""
import collections
import concurrent.futures
import json
import pathlib
import re
import sys

from headers import check, flags_of_modules, still_good

FOLDER = pathlib.Path("tests/style/examples")
# A paragraph of an example that begins like this stands outside of functions.
DEFINITION = re.compile(r"(?:template\s*<|struct\b|class\b|enum\b|inline\b|namespace\b|using\s+\w+\s*=|BOOST_DESCRIBE_|TEST(_[PF])?\(|"
                        r"WEFT_JSON_|(?!return|if|for|while|switch)[\w:<>,&* ]+\s[\w:]+\([^;=]*\)\s*(?:const\s*)?\{\s*(?://.*)?$)")
NO_CODE = re.compile(r"curl\b|\w+:$|\d", re.MULTILINE)
# What specialises a template of ours stands outside of every namespace, as the reader has to write it.
OF_NO_NAMESPACE = re.compile(r"^template\s*<>\s*struct weft::|^WEFT_JSON_", re.MULTILINE)


Example = collections.namedtuple("Example", "name path paragraphs given")


def example_of(text):
    """The paragraphs of a header's example, each with the number of its first line; none without an example."""
    lines, listing = [], False
    for line in map(str.strip, text.split("\n")):
        code = line.startswith("//     ")
        # What is indented further than the entry of a list that it follows continues that entry.
        listing = bool(re.match(r"//( -| {2,4}\S)", line)) or (listing and code)
        lines.append(line[7:] if code and not listing else "")
    paragraphs, current = [], []
    for number, line in enumerate([*lines, ""], 1):
        if line:
            current.append(line)
        elif current:
            paragraphs.append((number - len(current), "\n".join(current)))
            current = []
    return [each for each in paragraphs if not NO_CODE.match(each[1])]


def without_ellipses(code):
    return re.sub(r"^\s*\.\.\.(?=\s*(//.*)?$)", "", re.sub(r"([;{])\s*\.\.\.\s*\}", r"\1 }", code), flags=re.MULTILINE)


# Modules whose names are not those of their namespaces.
NAMESPACES = {"base": "weft", "runtime": "weft", "messaging_amqp": "weft::messaging", "messaging_sqlite": "weft::messaging",
              "messaging_http": "weft::messaging", "outbox": "weft::messaging"}


def split_includes(given):
    lines = given.split("\n")
    return [line for line in lines if line.startswith("#")], [line for line in lines if not line.startswith("#")]


def part_of(example):
    """(what an example adds to its module's unit, whether it stands outside of every namespace)."""
    outside, inside = [], []
    for line, code in example.paragraphs:
        (outside if DEFINITION.match(code.split("\n", 1)[0]) and not inside else inside).append(
            f'#line {line} "{example.path}"\n{without_ellipses(code)}')
    body = "\n".join(inside)
    awaits = re.search(r"\bco_await\b|\bco_return\b|\bWEFT_CO_", body)
    stem = re.sub(r"\W", "_", example.name.removesuffix(".hpp"))
    head = f"weft::task<weft::result<>> example_{stem}()" if awaits else f"weft::result<> example_{stem}()"
    end = "co_return weft::result<>{};" if awaits else "return {};"
    function = [f"{head} {{\n{body}\n#line 1 \"{example.path}, after the example\"\n{end}\n}}"] if inside else []
    apart = any(OF_NO_NAMESPACE.search(code) for _, code in example.paragraphs)
    lines = [f'#line 1 "what {example.name} takes for given"', *split_includes(example.given)[1], *outside, *function]
    return "\n".join(lines if apart else [f"namespace of_{stem} {{", *lines, "}"]), apart


def unit_of(module, examples, given):
    """The translation unit that compiles the examples of a module, in a namespace within the module's."""
    includes, declared = split_includes(given)
    for each in examples:
        includes += split_includes(each.given)[0]
    parts = [part_of(each) for each in examples]
    if any("weft::task<weft::result<>> example_" in code for code, _ in parts):
        includes.append("#include <weft/runtime/task.hpp>")
    return "\n".join(["#include <weft/base/error.hpp>", *[f"#include <{each.name}>" for each in examples],
                      "#include <chrono>", *dict.fromkeys(includes),
                      f"namespace {NAMESPACES.get(module, f'weft::{module}')}::examples {{",
                      "using namespace std::chrono_literals;", f'#line 1 "what {module} takes for given"', *declared,
                      *[code for code, apart in parts if not apart], "}", *[code for code, apart in parts if apart], ""])


def find(root):
    """(module -> its examples, problems of the files that say what is given)."""
    found, wanted = {}, set()
    for header in sorted(root.glob("modules/*/include/**/*.hpp")):
        module = header.relative_to(root).parts[1]
        name = header.relative_to(root / "modules" / module / "include").as_posix()
        paragraphs = example_of(header.read_text(encoding="utf-8"))
        if paragraphs:
            given = (root / FOLDER / name.removeprefix("weft/")).with_suffix(".cpp")
            wanted |= {given, root / FOLDER / f"{module}.cpp"}
            found.setdefault(module, []).append(Example(name, header, paragraphs, read(given)))
    problems = [f"{each.relative_to(root)}: no example of a header takes this for given"
                for each in sorted((root / FOLDER).glob("**/*.cpp")) if each not in wanted]
    return found, problems


def read(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(root, build):
    root, build = pathlib.Path(root).resolve(), pathlib.Path(build).resolve()
    cache_file = build / "examples_of_modules.json"
    try:
        cache = json.loads(cache_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        cache = {}
    flags, good, waiting = flags_of_modules(build, root), {}, []
    found, problems = find(root)
    for module, examples in found.items():
        if module not in flags:
            continue  # the module is not part of this build
        unit = unit_of(module, examples, read(root / FOLDER / f"{module}.cpp"))
        folder, words = flags[module]
        if still_good(cache.get(module), unit, [*words, "-w"]):
            good[module] = cache[module]
        else:
            waiting.append((module, unit, folder, [*words, "-w"]))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        answers = pool.map(lambda each: check(root, *each[1:]), waiting)
        for (module, *_), (problem, state) in zip(waiting, answers):
            if problem:
                problems.append(f"an example in the headers of {module} does not compile: mend it, or declare what it takes "
                                f"for given (tests/style/examples.py says where)\n{problem}")
            else:
                good[module] = state
    cache_file.write_text(json.dumps(good), encoding="utf-8")
    for each in problems:
        print(each)
    print(f"{sum(map(len, found.values()))} examples of {len(found)} modules, {len(waiting)} modules compiled now, "
          f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
