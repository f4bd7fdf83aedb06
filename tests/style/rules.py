"""The rules of the code base. Each is a generator of (line, what, remedy) for one source."""
import re

import families

BANNED_OUTSIDE = ("modules/runtime/", "modules/net/", "bench/", "tools/")
LENGTH_LIMIT = 600

# A call of the C library's function of that name: not a member, not another namespace's.
CALL = r"(?<![\w.>:])(?<!:: )(?:std\s*::\s*|::\s*)?(?:{})\s*\("
GLOBAL_CALL = r"(?<![\w>])::\s*(?:{})\s*\("

BANNED = {
    "clock": (
        [r"\b(?:system|steady|high_resolution|utc|file)_clock\s*::\s*now\b",
         CALL.format("gettimeofday|clock_gettime|timespec_get|ftime"),
         CALL.format("time") + r"\s*(?:nullptr|NULL|0|&)", r"\bstd\s*::\s*clock\s*\("],
        "reads a clock", "take the time from the loop or a parameter, so that the simulator can set it"),
    "sleep": (
        [r"\bthis_thread\s*::\s*sleep_", CALL.format("usleep|nanosleep|clock_nanosleep"), GLOBAL_CALL.format("sleep"),
         r"(?<![\w.>:])(?<!co_await )sleep\s*\(\s*\d+\s*\)"],
        "sleeps", "await the loop's timer; a test moves the manual clock"),
    "thread": (
        [r"\bstd\s*::\s*(?:jthread|async|mutex|recursive_mutex|timed_mutex|shared_mutex|shared_timed_mutex|"
         r"condition_variable|condition_variable_any|lock_guard|scoped_lock|unique_lock|shared_lock|counting_semaphore|"
         r"binary_semaphore|barrier|latch)\b",
         r"\bstd\s*::\s*thread\b(?!\s*::\s*(?:id|hardware_concurrency))", CALL.format("pthread_create|fork|vfork")],
        "uses threads or locks", "objects belong to one loop; cross by post(), and block only in the blocking pool"),
    "socket": (
        [GLOBAL_CALL.format("socket|connect|bind|accept|accept4|listen|send|sendto|sendmsg|recv|recvfrom|recvmsg|"
                            "getaddrinfo"),
         CALL.format("epoll_create1?|epoll_ctl|epoll_p?wait2?|eventfd|timerfd_create|socketpair|accept4|getaddrinfo"),
         r"(?<![\w.>:])socket\s*\(\s*(?:AF|PF)_"],
        "uses sockets directly", "use net's streams and listeners, so that it runs in the simulator"),
    "random": (
        [CALL.format("s?rand|rand_r|[dlm]rand48|srandom|arc4random(?:_\\w+)?|getrandom|getentropy|RAND_bytes"),
         GLOBAL_CALL.format("random"),
         r"\b(?:std\s*::\s*)?(?:random_device|mt19937(?:_64)?|minstd_rand0?|default_random_engine|ranlux\w+)\b"],
        "makes its own random numbers", "take them from the loop, so that a seed replays"),
}
BANNED = {rule: ([re.compile(each) for each in patterns], what, remedy)
          for rule, (patterns, what, remedy) in BANNED.items()}


def banned(rule):
    patterns, what, remedy = BANNED[rule]

    def check(source, project):
        if not source.is_cpp or source.path.startswith(BANNED_OUTSIDE):
            return
        for number, line in enumerate(source.code_lines, 1):
            for pattern in patterns:
                if found := pattern.search(line):
                    yield number, f"{what} ({found.group().strip().rstrip('(')})", remedy
                    break
    return check


INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def order(source, project):
    """A module includes only what stands before it and what its CMakeLists.txt names."""
    if source.is_cpp and source.module:
        for number, line in enumerate(source.lines, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            if found[1].startswith("../") or "/../" in found[1]:
                yield number, f"includes {found[1]} by a path out of its folder", "name it as <weft/module/file.hpp>"
            wanted = re.match(r"weft/(\w+)(?:/|\.hpp$)", found[1])
            if wanted:
                yield from order_of_include(source, project, number, wanted[1])
    if source.path in project.module_files:
        yield from order_of_module(project, project.module_files[source.path])


def order_of_include(source, project, number, wanted):
    module = source.module
    if wanted == module:
        return
    if wanted not in project.order:
        yield number, f"includes <weft/{wanted}...>, which is no module", "name it in WEFT_MODULES of CMakeLists.txt"
        return
    if not source.is_test and project.position(wanted) > project.position(module):
        yield (number, f"module {module} includes <weft/{wanted}...>, which stands after it",
               "move the code, or turn the dependency round by an interface; WEFT_MODULES in CMakeLists.txt is the order")
    elif wanted not in project.visible(module, source.is_test):
        option = "DEPENDS or TEST_DEPENDS" if source.is_test else "DEPENDS"
        yield (number, f"module {module} includes <weft/{wanted}...> without naming it",
               f"add {wanted} to {option} in modules/{module}/CMakeLists.txt")


def order_of_module(project, module):
    if module not in project.order:
        yield 1, f"module {module} has no place in the order", "name it in WEFT_MODULES of CMakeLists.txt"
        return
    for wanted in sorted(project.depends[module]):
        if wanted not in project.order:
            yield 1, f"module {module} depends on {wanted}, which is no module", "correct DEPENDS"
        elif project.position(wanted) >= project.position(module):
            yield (1, f"module {module} depends on {wanted}, which does not stand before it",
                   "turn the dependency round; WEFT_MODULES in CMakeLists.txt is the order")


def lambda_coroutine(source, project):
    if source.is_cpp:
        for line, captures, coroutine in source.lambdas():
            if captures and coroutine:
                yield (line, "a lambda that captures is a coroutine: its captures end with the closure, not with the "
                       "coroutine", "pass them as parameters by value; or, where the closure lives longer, say "
                       "`// weft-" "style: closure outlives the coroutine`")


def skip(source, project):
    if not source.is_cpp:
        return
    for found in re.finditer(r"\bGTEST_SKIP\s*\(\s*\)\s*([^;]*);", source.code):
        line = source.line_of(found.start())
        if "<<" not in found[1]:
            yield line, "skips without a reason", 'GTEST_SKIP() << "what is missing; how to get it"'
        if '"CI"' not in "\n".join(source.lines[max(0, line - 8):line]):
            yield (line, "skips whatever the environment",
                   'skip only where std::getenv("CI") is null; in CI a missing server is a failure')


def length(source, project):
    if source.is_cpp and len(source.lines) - 1 > LENGTH_LIMIT:
        yield (LENGTH_LIMIT + 1, f"{len(source.lines) - 1} lines, more than {LENGTH_LIMIT}",
               "split it along the concepts it holds")


VAGUE = re.compile(r"(?:^|[_.-])(?:utils?|common|helpers?|managers?|misc)(?=$|[_.-])")


def name(source, project):
    for part in source.path.split("/"):
        if VAGUE.search(part.lower()):
            yield 1, f"the name {part} says nothing about what is in it", "name it after the concept it holds"


MARKER = re.compile(r"\b(?:" + "|".join(["TO" "DO", "FIX" "ME", "X" "XX"]) + r")\b")


def marker(source, project):
    for number, line in enumerate(source.lines, 1):
        if found := MARKER.search(line):
            yield number, f"{found.group()} left in the code", "finish it, or open an issue"


MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:" + "|".join(["wo" "rk", "ro" "ot", "tmp/bash" "_jobs"]) + r")\b/?")


def path(source, project):
    for number, line in enumerate(source.lines, 1):
        if found := MACHINE_PATH.search(line):
            yield number, f"{found.group()} exists on one machine only", "use a path relative to the repository"


def whitespace(source, project):
    for number, line in enumerate(source.lines, 1):
        if "\t" in line:
            yield number, "a tab", "indent with spaces; \\t in a literal"
        if line != line.rstrip():
            yield number, "white space at the end of the line", "remove it (./dev fmt does for C++)"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "no newline at the end of the file", "add it"


def pragma_once(source, project):
    if source.path.endswith((".hpp", ".h")) and source.lines[0] != "#pragma once":
        yield 1, "a header that does not begin with #pragma once", "make it the first line"


RULES = {
    "order": order,
    **{rule: banned(rule) for rule in BANNED},
    "lambda-coroutine": lambda_coroutine,
    "skip": skip,
    "length": length,
    "name": name,
    "marker": marker,
    "path": path,
    "whitespace": whitespace,
    "pragma-once": pragma_once,
    **families.RULES,
}


def check(source, project):
    """Every violation in `source` as (line, rule, what, remedy), without those that a comment allows."""
    found = []
    for rule, generate in RULES.items():
        for line, what, remedy in generate(source, project):
            if not source.exempt(rule, line):
                found.append((line, rule, what, remedy))
    for line in source.unclear:
        found.append((line, "allow", "an exemption that cannot be read",
                      "`// weft-" "style: allow <rule>: <reason>`, with `in this file` after the rule if need be"))
    for each in source.exemptions:
        if each.rule not in RULES:
            found.append((each.line, "allow", f"no rule {each.rule}", "one of: " + " ".join(RULES)))
        elif not each.used:
            found.append((each.line, "allow", f"allows {each.rule}, which is not broken here", "remove the comment"))
    return sorted(found)
