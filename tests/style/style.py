"""Holds the rules that no compiler checks: module order, banned constructs, capturing lambda coroutines, names, lengths.

    style.py <repository>                 prints each violation as file:line: rule: what: remedy, and fails if there is one
    style.py <repository> --exemptions    lists where a rule is broken on purpose, with the reasons

A rule is broken on purpose by a comment on the line, on the line before it, or for a whole file (rules.py has the names):
    // weft-style: allow clock: prints the wall time to a person
    // weft-style: allow thread in this file: the peer under test blocks
"""
import os
import pathlib
import re
import subprocess
import sys

import families
import rules
from source import CPP, Source

TEXT = CPP + (".py", ".sh", ".md", ".cmake", ".txt", ".yaml", ".yml", ".json", ".ts", ".tsx", ".css", ".html", ".proto",
              ".graphql", ".service", ".records", ".clang-tidy", ".clang-format", ".gitignore")
NAMED = ("dev", ".ci/run")
# Inputs and outputs of tests are whatever they have to be; a lock file is its tool's.
DATA = re.compile(r"(^|/)(corpus|golden|testdata|node_modules|dist)/|^LICENSE$|package-lock\.json$")


class Project:
    """The modules: their order, and what each one names in its CMakeLists.txt."""

    def __init__(self, order, depends, test_depends, module_files=None, task_functions=()):
        self.order, self.depends, self.test_depends = order, depends, test_depends
        self.module_files = module_files or {}
        self.task_functions = set(task_functions)  # names of types: functions that give tasks

    def position(self, module):
        return self.order.index(module) if module in self.order else len(self.order)

    def closure(self, modules):
        seen, waiting = set(), list(modules)
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting.extend(self.depends.get(module, ()))
        return seen

    def visible(self, module, in_tests):
        named = set(self.depends.get(module, ()))
        if in_tests:
            named |= set(self.test_depends.get(module, ()))
        return self.closure(named)


def read_project(root):
    top = (root / "CMakeLists.txt").read_text()
    order = re.search(r"set\(WEFT_MODULES\s+([^)]*)\)", top)[1].split()
    depends, test_depends, files = {}, {}, {}
    for file in sorted(root.glob("modules/*/CMakeLists.txt")):
        for name, arguments in re.findall(r"^weft_module\(\s*(\w+)([^)]*)\)", without_comments(file), re.MULTILINE):
            lists, current = {"DEPENDS": [], "TEST_DEPENDS": []}, None
            for word in arguments.split():
                if word in ("DEPENDS", "LIBS", "PRIVATE_LIBS", "TEST_DEPENDS"):
                    current = lists.get(word)
                elif current is not None:
                    current.append(word.removeprefix("weft::"))
            depends[name], test_depends[name] = lists["DEPENDS"], lists["TEST_DEPENDS"]
            files[file.relative_to(root).as_posix()] = name
    return Project(order, depends, test_depends, files)


def without_comments(file):
    return re.sub(r"#.*", "", file.read_text())


def read_sources(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if listed.returncode == 0:
        paths = listed.stdout.split("\0")
    else:  # an unpacked archive
        paths = [os.path.relpath(os.path.join(folder, file), root) for folder, _, files in os.walk(root)
                 for file in files if not os.path.relpath(folder, root).startswith(("build", ".git"))]
    for path in sorted(set(paths)):
        file = root / path
        if (path in NAMED or path.endswith(TEXT)) and not DATA.search(path) and file.is_file():
            try:
                yield Source(path, file.read_bytes().decode())
            except UnicodeDecodeError:
                print(f"{path}:1: text: not UTF-8: save it as UTF-8, or keep test data in a folder testdata")


def main(root, *options):
    root = pathlib.Path(root).resolve()
    project = read_project(root)
    count = files = 0
    sources = list(read_sources(root))
    for source in sources:
        project.task_functions |= families.task_functions(source)[0] if source.is_cpp else set()
    for source in sources:
        files += 1
        found = rules.check(source, project)
        if "--exemptions" in options:
            for each in source.exemptions:
                print(f"{source.path}:{each.line}: {each.rule}{' (file)' if each.whole_file else ''}: {each.reason}")
            continue
        for line, rule, what, remedy in found:
            count += 1
            print(f"{source.path}:{line}: {rule}: {what}: {remedy}")
    print(f"{files} files, {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
