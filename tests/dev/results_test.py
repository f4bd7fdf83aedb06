"""How ./dev test counts, over a real ctest run of programs that end in every way a test program can."""
import pathlib
import subprocess
import sys
import tempfile

RESULTS = pathlib.Path(__file__).resolve().parents[2] / "tools/dev/test_results.py"
CASE = '<testcase name="{0}" classname="s" status="run" result="completed"/>'
FAILED = '<testcase name="{0}" classname="s" status="run" result="completed"><failure message="m"/></testcase>'
SKIPPED = '<testcase name="{0}" classname="s" status="run" result="skipped"><skipped message="m"/></testcase>'
DISABLED = '<testcase name="{0}" classname="s" status="notrun" result="suppressed"/>'

# name -> (cases in the report it leaves or None, how it ends, ctest properties, expected passed, failed, skipped)
PROGRAMS = {
    "good": ([CASE, CASE, CASE], "exit 0", "", 3, 0, 0),
    "mixed": ([CASE, FAILED, SKIPPED, DISABLED, FAILED], "exit 1", "", 1, 2, 2),
    "crash": (None, "kill -SEGV $$", "", 0, 1, 0),
    "timeout": (None, "sleep 20", "TIMEOUT 1", 0, 1, 0),
    "leak_at_exit": ([CASE, CASE], "exit 23", "", 2, 1, 0),
    "no_report": (None, "exit 0", "", 0, 1, 0),
    "torn_report": (["<testcase"], "exit 0", "", 0, 1, 0),
}
PLAIN = {
    "plain_good": ("exit 0", "", 1, 0, 0),
    "plain_bad": ("exit 1", "", 0, 1, 0),
    "plain_skip": ("exit 77", "SKIP_RETURN_CODE 77", 0, 0, 1),
    "plain_disabled": ("exit 1", "DISABLED TRUE", 0, 0, 1),
}


def write_tests(folder, names):
    lines = []
    for name in names:
        script = folder / f"{name}.sh"
        if name in PROGRAMS:
            cases, end, properties, *_ = PROGRAMS[name]
            report = folder / f"{name}.xml"
            body = "" if cases is None else "".join(each.format(at) for at, each in enumerate(cases))
            write = "" if cases is None else f"echo '<testsuites><testsuite>{body}</testsuite></testsuites>' >{report}\n"
            lines.append(f"add_test({name} sh {script} --gtest_output=xml:{report})")
        else:
            end, properties, *_ = PLAIN[name]
            write = ""
            lines.append(f"add_test({name} sh {script})")
        script.write_text(write + end + "\n")
        if properties:
            lines.append(f"set_tests_properties({name} PROPERTIES {properties})")
    if not names:
        lines.append(f"add_test(missing {folder}/nothing_here)")
    (folder / "CTestTestfile.cmake").write_text("\n".join(lines) + "\n")


def counted(folder, names):
    write_tests(folder, names)
    ctest = subprocess.run(["ctest", "--test-dir", str(folder), "-j4", "--output-junit", "ctest.xml"],
                           capture_output=True, check=False, stdin=subprocess.DEVNULL)
    count = subprocess.run([sys.executable, str(RESULTS), "count", str(folder), str(ctest.returncode)],
                           capture_output=True, text=True, check=False)
    return count.stdout.strip().split("\n")[-1], count.returncode


def expected_line(names):
    passed, failed, skipped = (sum({**PROGRAMS, **PLAIN}[name][at] for name in names) for at in (-3, -2, -1))
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), 1 if failed else 0


def main():
    wrong = 0
    names = [*PROGRAMS, *PLAIN]
    groups = [[name] for name in names] + [names, ["good", "plain_good", "plain_skip"]]
    checks = [(group, *expected_line(group)) for group in groups] + [([], "0 passed, 1 failed", 1)]
    for group, line, status in checks:
        with tempfile.TemporaryDirectory() as scratch:
            found = counted(pathlib.Path(scratch), group)
        if found != (line, status):
            wrong += 1
            print(f"{group or 'a program that is not there'}: expected {line!r} and status {status}, found {found}")
    print(f"{len(checks)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
