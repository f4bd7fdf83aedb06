"""What ./dev test asks of ctest: which targets a choice of tests needs, and how many test cases passed.

    test_results.py targets <build folder> [ctest argument]...   ninja targets, one a line; `all`, `none`, or nothing
    test_results.py count <build folder> <exit status of ctest>  the last line of ./dev test, and its exit status
"""
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml


def listed(folder, arguments):
    answer = subprocess.run(
        ["ctest", "--test-dir", folder, "--show-only=json-v1", *arguments],
        check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return json.loads(answer.stdout)["tests"]


def properties(test):
    return {each["name"]: each["value"] for each in test.get("properties", [])}


def targets(folder, arguments):
    """A test's program is a target by its path; the label no-build means it needs none, anything else needs all."""
    found = set()
    tests = listed(folder, arguments)
    root = os.path.abspath(folder)
    for test in tests:
        program = test.get("command", [""])[0]
        if "no-build" in properties(test).get("LABELS", []):
            continue
        if program.startswith(root + os.sep):
            found.add(os.path.relpath(program, root))
        elif not program and is_target(folder, test["name"]):  # ctest names no program that is not built yet
            found.add(test["name"])
        else:
            return ["all"]
    return sorted(found) or (["none"] if tests else [])


def is_target(folder, name):
    answer = subprocess.run(["ninja", "-C", folder, "-t", "query", name], capture_output=True, check=False,
                            stdin=subprocess.DEVNULL)
    return answer.returncode == 0


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)


def count_report(name, path, tally):
    """Adds the cases of a GoogleTest report; false when there is no readable one."""
    try:
        root = xml.parse(path).getroot()
    except (OSError, xml.ParseError):
        return False
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            tally.fail(f"{name}: {case.get('classname')}.{case.get('name')}")
        elif case.get("status") == "notrun" or case.get("result") == "skipped" or case.find("skipped") is not None:
            tally.skipped += 1
        else:
            tally.passed += 1
    return True


def count_entry(entry, report, tally):
    name = entry.get("name")
    status = entry.get("status")
    before = tally.failed
    if report and status in ("run", "fail") and count_report(name, report, tally):
        # Every case passed and yet the program failed: a leak found at exit, a crash in a destructor.
        if status == "fail" and tally.failed == before:
            tally.fail(f"{name}: failed after its last case")
    elif status == "run" and not report:
        tally.passed += 1
    elif status == "run":
        tally.fail(f"{name}: ended well but left no report")
    elif status == "disabled" or (status == "notrun" and is_skip(entry)):
        tally.skipped += 1
    elif status == "fail" and report:
        tally.fail(f"{name}: crashed or timed out, and left no report")
    else:
        tally.fail(f"{name}: {'could not be run' if status == 'notrun' else 'failed'}")


def is_skip(entry):
    skipped = entry.find("skipped")
    return skipped is not None and skipped.get("message", "").startswith("SKIP_")


def count(folder, ctest_status):
    tally = Tally()
    reports = {}
    for test in listed(folder, []):
        for word in test.get("command", []):
            if word.startswith("--gtest_output=xml:"):
                reports[test["name"]] = word.split(":", 1)[1]
    try:
        entries = list(xml.parse(pathlib.Path(folder) / "ctest.xml").getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        entries = []
    for entry in entries:
        count_entry(entry, reports.get(entry.get("name")), tally)
    if ctest_status != 0 and tally.failed == 0:
        tally.fail(f"ctest: ended with status {ctest_status}")
    for failure in tally.failures:
        print(f"failed: {failure}")
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{skipped}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    verb, build_folder, *rest = sys.argv[1:]
    if verb == "targets":
        for target in targets(build_folder, rest):
            print(target)
    else:
        sys.exit(count(build_folder, int(rest[0])))
