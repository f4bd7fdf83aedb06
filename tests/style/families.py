"""Rules that keep families of faults closed: time that wraps round, hand-made backoff, the user's code without a guard.

Each is a generator of (line, what, remedy) for one source, as in rules.py.
"""
import re

OURS = re.compile(r"^(?:modules/[^/]+|apps/[^/]+)/(?:src|include)/")
# What turns the arithmetic into the shared one.
SATURATING = "modules/base/include/weft/base/saturating.hpp"
BACKOFF = "modules/runtime/src/backoff.cpp"

# A point in time: a call of now() or wall_now(), or a name that says so.
MOMENT = r"(?:\b(?:wall_)?now\s*\(\s*\)|\b\w*(?:deadline|expires|expiry|until|_since)_?(?:\s*\(\s*\))?|\bnow_?|\bdue_?)"
TIME_SUM = re.compile(
    rf"(?:{MOMENT})\s*\+(?![+=])|"
    r"(?<!\+)\+\s*(?:\w+(?:\(\))?(?:\.|->))*(?:wall_)?now\s*\(\s*\)|"
    r"\b\w*(?:deadline|expires|expiry|until)_?\s*\+=")


def code_of(source):
    """The code without what stands in #include lines; empty for what is not held to these rules."""
    return source.code_lines if source.is_cpp and OURS.match(source.path) else []


def unbounded_time(source, project):
    """Times of clocks are added up by later(), which knows "never"."""
    if source.path == SATURATING:
        return
    for number, line in enumerate(code_of(source), 1):
        found = TIME_SUM.search(line)
        # Text that is put together is no time.
        if found and '"' not in line[max(0, found.start() - 5):found.end() + 5]:
            yield (number, f"adds to a time ({found.group().strip()} ...), which wraps round where it means \"never\"",
                   "later(now, duration) of <weft/base/saturating.hpp>; time_between(a, b) for what lies between")


PAUSE = r"\w*(?:delay|pause|backoff|interval)\w*"
DOUBLING = re.compile(
    rf"\b(?P<a>{PAUSE})\s*(?:\*=|<<=)|"
    rf"\b(?P<b>{PAUSE})\s*=\s*(?:std\s*::\s*min\s*\(\s*)?(?:\w+\s*,\s*)?(?P=b)\s*\*|"
    rf"\b(?P<c>{PAUSE})\s*\+=\s*(?P=c)\b|"
    rf"\b{PAUSE}\s*\*\s*\(\s*1(?:LL|ULL|U|L)?\s*<<")


def backoff(source, project):
    """A pause that grows from failure to failure is weft::backoff's."""
    if source.path == BACKOFF:
        return
    for number, line in enumerate(code_of(source), 1):
        if found := DOUBLING.search(line):
            yield (number, f"makes a backoff by hand ({found.group().strip()})",
                   "weft::backoff of <weft/runtime/backoff.hpp>: bounded, jittered, forgiven only by a success that lasts")


CATCH = re.compile(r"\bcatch\s*\(\s*(?:const\s+)?(?:std\s*::\s*)?exception\b[^)]*\)\s*\{")
NEXT_CATCH = re.compile(r"\s*catch\s*\(\s*(?P<what>\.\.\.|[^)]*)\)\s*\{")


def end_of_block(code, at):
    """The offset behind the brace that closes the block which opens before `at`."""
    depth = 1
    while at < len(code) and depth > 0:
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        at += 1
    return at


def exceptions(source, project):
    """What the user's code throws is of any type."""
    if not source.is_cpp or not re.match(r"^(?:modules|apps)/[^/]+/src/", source.path):
        return
    for found in CATCH.finditer(source.code):
        at = end_of_block(source.code, found.end())
        caught_all = False
        while following := NEXT_CATCH.match(source.code, at):
            caught_all = caught_all or following["what"] == "..."
            at = end_of_block(source.code, following.end())
        if not caught_all:
            yield (source.line_of(found.start()), "catches std::exception and lets every other type through",
                   "catch (...) with current_exception_error() of <weft/runtime/guarded.hpp>, or guarded_call(); name the "
                   "types that are meant where it is not about the user's code")


FUNCTION = re.compile(r"\b(?:std\s*::\s*)?(?:move_only_)?function\s*<\s*(?:weft\s*::\s*)?task\s*<")
ALIAS = re.compile(r"\busing\s+(\w+)\s*=\s*(?:std\s*::\s*)?(?:move_only_)?function\s*<\s*(?:weft\s*::\s*)?task\s*<")


def after_angles(code, at):
    """The offset behind the > that closes the < before `at`."""
    depth = 1
    while at < len(code) and depth > 0:
        if code[at] == "<":
            depth += 1
        elif code[at] == ">" and code[at - 1] != "-":
            depth -= 1
        at += 1
    return at


def task_functions(source):
    """(aliases of functions that give tasks, names of variables and members of such a type) of one source."""
    aliases = set(ALIAS.findall(source.code))
    names = set()
    for found in FUNCTION.finditer(source.code):
        rest = source.code[after_angles(source.code, source.code.index("<", found.start()) + 1):]
        if named := re.match(r"\s*&{0,2}\s*(\w+_?)\s*[;={,)]", rest):
            names.add(named[1])
    return aliases, names


def names_of_type(source, aliases):
    if not aliases:
        return set()
    words = "|".join(sorted(map(re.escape, aliases)))
    return set(re.findall(rf"\b(?:\w+::)*(?:{words})(?:<[^;()]*>)?\s*&{{0,2}}\s+(\w+_)\s*[;={{]", source.code))


def guarded_blocks(code):
    """(begin, end) of the try blocks whose handlers catch everything."""
    for found in re.finditer(r"\btry\s*\{", code):
        end = at = end_of_block(code, found.end())
        while following := NEXT_CATCH.match(code, at):
            if following["what"] == "...":
                yield found.end(), end
            at = end_of_block(code, following.end())


def unguarded(source, project):
    """A function of the user's, called in a file that spawns tasks: what it throws would end the process."""
    if not source.is_cpp or not re.match(r"^(?:modules|apps)/[^/]+/src/", source.path):
        return
    if not re.search(r"\.\s*spawn\s*\(", source.code):
        return
    aliases, names = task_functions(source)
    names |= names_of_type(source, aliases | project.task_functions)
    members = {name for name in names if name.endswith("_")} | {name for name in names if "hook" in name}
    guarded = list(guarded_blocks(source.code))
    for name in sorted(members):
        for found in re.finditer(rf"\bco_await\s+(?:\w+(?:\.|->))*{re.escape(name)}\s*\(", source.code):
            if any(begin <= found.start() < end for begin, end in guarded):
                continue
            yield (source.line_of(found.start()), f"calls {name} of the user's where an exception has nobody to go to",
                   "co_await guarded_await(function, arguments...) of <weft/runtime/guarded.hpp>")


RULES = {"unbounded-time": unbounded_time, "backoff": backoff, "exceptions": exceptions, "unguarded": unguarded}
