"""The rules' own test: snippets that each rule must find, and look-alikes that it must leave alone."""
import sys

import rules
from source import Source
from style import Project

PROJECT = Project(
    order=["base", "json", "runtime", "net", "http", "testkit"],
    depends={"base": [], "json": ["base"], "runtime": ["base"], "net": ["runtime"], "http": ["net", "json"],
             "early": [], "testkit": ["http"]},
    test_depends={"http": ["testkit"]},
    module_files={"modules/base/CMakeLists.txt": "base", "modules/bad/CMakeLists.txt": "bad",
                  "modules/early/CMakeLists.txt": "early"},
    task_functions=["known_hook"])
BACKWARD = Project(["base", "json"], {"base": ["json"], "json": []}, {}, {"modules/base/CMakeLists.txt": "base"})

CPP = "modules/http/src/server.cpp"
TEST = "modules/http/tests/server_test.cpp"
HEADER = "modules/http/include/weft/http/server.hpp"
STYLE = "weft-" "style: "

# (path, text, the rules that must be found, in the order of their lines)
CASES = [
    # module order
    (CPP, "#include <weft/net/stream.hpp>\n#include <weft/base.hpp>\n#include <vector>\n", []),
    (CPP, "#include <weft/http/router.hpp>\n#include \"parser.hpp\"\n", []),
    (CPP, "#include <weft/testkit/simulator.hpp>\n", ["order"]),
    (CPP, "#include <weft/testkit.hpp>\n", ["order"]),
    (CPP, "#include <weft/nothing/at_all.hpp>\n", ["order"]),
    (CPP, "  #  include \"weft/testkit.hpp\"\n", ["order"]),
    (CPP, "#include \"../../net/src/inner.hpp\"\n", ["order"]),
    (TEST, "#include <weft/testkit/simulator.hpp>\n", []),
    ("modules/net/src/tcp.cpp", "#include <weft/json.hpp>\n", ["order"]),
    ("modules/net/tests/tcp_test.cpp", "#include <weft/http.hpp>\n", ["order"]),
    ("modules/base/CMakeLists.txt", "weft_module(base)\n", []),
    ("modules/bad/CMakeLists.txt", "weft_module(bad)\n", ["order"]),
    # clocks
    (CPP, "auto a = std::chrono::steady_clock::now();\n", ["clock"]),
    (CPP, "auto a = steady_clock :: now();\n", ["clock"]),
    (CPP, "auto a = time(nullptr) + std::time(0) + ::time(&t);\n", ["clock"]),
    (CPP, "clock_gettime(CLOCK_REALTIME, &now);\n", ["clock"]),
    (CPP, "std::chrono::steady_clock::time_point at = loop.now();\n", []),
    (CPP, "auto a = id.time(); auto b = uuid::time(0); clock(); idle_time(0);\n", []),
    (CPP, "// steady_clock::now() is not for us\nauto s = \"system_clock::now()\";\n", []),
    (CPP, "/* system_clock::now()\n   time(nullptr) */ auto s = R\"x(time(nullptr))x\";\n", []),
    ("modules/runtime/src/epoll.cpp", "auto a = std::chrono::steady_clock::now();\n", []),
    ("bench/json.cpp", "auto a = std::chrono::steady_clock::now();\n", []),
    # sleeps
    (CPP, "std::this_thread::sleep_for(1ms);\n", ["sleep"]),
    (CPP, "usleep(3); ::nanosleep(&a, &b);\n", ["sleep"]),
    (CPP, "sleep(1);\n::sleep(n);\n", ["sleep", "sleep"]),
    (CPP, "co_await sleep(5s);\nco_await loop.sleep(3);\nco_await weft::sleep(3);\n", []),
    # threads
    (CPP, "std::thread t(f);\nstd::mutex m;\nauto f = std::async(g);\n", ["thread"] * 3),
    (CPP, "auto n = std::thread::hardware_concurrency(); std::thread::id id; my::thread t;\n", []),
    (CPP, "std::atomic<int> n; mutex_name = 1;\n", []),
    # sockets
    (CPP, "int fd = ::socket(AF_INET, SOCK_STREAM, 0);\nint g = socket(AF_UNIX, 0, 0);\n", ["socket"] * 2),
    (CPP, "if (::connect(fd, a, n) < 0) return ::bind(fd, a, n);\n", ["socket"]),
    (CPP, "epoll_ctl(fd, EPOLL_CTL_ADD, g, &event);\n", ["socket"]),
    (CPP, "auto f = std::bind(g); auto c = co_await net::connect(to); l.accept(); listen(80);\n", []),
    # random numbers
    (CPP, "int a = rand() + std::rand();\n", ["random"]),
    (CPP, "std::random_device device;\nstd::mt19937_64 generator;\n", ["random"] * 2),
    (CPP, "auto a = loop.random(); auto b = grand(); auto c = x.rand();\n", []),
    # capturing lambda coroutines
    (CPP, "auto f = [&] { co_await g(); };\n", ["lambda-coroutine"]),
    (CPP, "run([this, x = std::move(y)](int a) mutable -> task<std::pair<int, int>> {\n  co_return a;\n});\n",
     ["lambda-coroutine"]),
    (CPP, "auto f = [=]<class T>(T t) noexcept(true) -> task<void> { if (t) { for (;;) co_yield 1; } };\n",
     ["lambda-coroutine"]),
    (CPP, "return [n]() -> task<> { co_return; };\n", ["lambda-coroutine"]),
    (CPP, "auto f = [&] { return [](int a) -> task<> { co_await g(a); }(1); };\n", []),
    (CPP, "auto f = [](int a) -> task<> { co_await g([a] { return a; }); };\n", []),
    (CPP, "auto f = [](int a) -> task<> { co_await g([a]() -> task<> { co_return; }); };\n", ["lambda-coroutine"]),
    (CPP, "task<> f() { auto& [a, b] = p; for (auto&& [k, v] : m) { co_await g(v[a]); } x[i] = 1; }\n", []),
    (CPP, "task<> f() { [[maybe_unused]] int a = b[0]; delete[] c; co_return; }\n", []),
    (CPP, "task<> operator[](int i) { co_return; }\n", []),
    (CPP, "// auto f = [&] { co_await g(); };\nauto s = \"[&] { co_await g(); }\"; char c = '[';\n", []),
    (CPP, "// " + STYLE + "closure outlives the coroutine: run() blocks\nauto f = [&] { co_await g(); };\n", []),
    (CPP, "auto f = [&] { co_await g(); };  // " + STYLE + "closure outlives the coroutine\n", []),
    # skipped tests
    (TEST, "if (!std::getenv(\"CI\")) GTEST_SKIP() << \"no server\";\n", []),
    (TEST, "GTEST_SKIP() << \"no server\";\n", ["skip"]),
    (TEST, "if (!std::getenv(\"CI\")) GTEST_SKIP();\n", ["skip"]),
    # length and names
    (CPP, "int a;\n" * 600, []),
    (CPP, "int a;\n" * 601, ["length"]),
    ("modules/http/src/string_utils.cpp", "int a;\n", ["name"]),
    ("modules/http/src/common/a.cpp", "int a;\n", ["name"]),
    ("modules/http/src/uncommon_manageress.cpp", "int a;\n", []),
    # markers and paths
    (CPP, "// TO" "DO: later\n", ["marker"]),
    ("tools/a.sh", "# FIX" "ME\nmktemp x.XXXXXX\n", ["marker"]),
    (CPP, "// todo lists are data: \"X" "XXY\"\n", []),
    ("docs/a.md", "see /wo" "rk/shared\n", ["path"]),
    (CPP, "auto a = \"/ro" "ot/.ssh\"; auto b = \"/tmp/bash" "_jobs.0\";\n", ["path"]),
    (CPP, "auto a = \"a/wo" "rk/b\"; auto b = \"/wo" "rkers\";\n", []),
    # white space
    (CPP, "int a;\t// b\n", ["whitespace"]),
    (CPP, "int a; \n", ["whitespace"]),
    (CPP, "int a;", ["whitespace"]),
    # headers
    (HEADER, "#pragma once\nint a;\n", []),
    (HEADER, "// a\n#pragma once\n", ["pragma-once"]),
    # times that wrap round
    (CPP, "auto a = loop.now() + timeout;\nloop_.arm(*this, loop_.now() + options_.idle);\n", ["unbounded-time"] * 2),
    (CPP, "auto a = now + after;\nauto b = deadline_ + 5s;\nauto c = at.expires + keep;\n", ["unbounded-time"] * 3),
    (CPP, "auto a = timeout + l.now();\nauto b = wall_now() + d;\n", ["unbounded-time"] * 2),
    (HEADER, "#pragma once\ninline auto f(loop& l, duration d) { return l.now() + d; }\n", ["unbounded-time"]),
    (CPP, "deadline += 5s;\n", ["unbounded-time"]),
    (CPP, "auto a = later(loop.now(), timeout); auto b = time_between(now, deadline); auto c = now - began;\n", []),
    (CPP, "auto a = \"expires = \" + now + \" + $1\"; ++now; auto b = known + x; lost.now += 3;\n", []),
    (CPP, "// loop.now() + timeout\nauto a = snow + ball;\n", []),
    (TEST, "auto a = loop.now() + 5s;\n", []),
    ("modules/base/include/weft/base/saturating.hpp", "#pragma once\nauto a = now + d;\n", []),
    # backoff by hand
    (CPP, "pause = std::min(pause * 2, longest);\n", ["backoff"]),
    (CPP, "delay *= 2;\nretry_pause_ <<= 1;\nbackoff_ = backoff_ * factor;\npause += pause;\n", ["backoff"] * 4),
    (CPP, "auto a = first_pause * (1LL << failures);\n", ["backoff"]),
    (CPP, "pause = delays.next(l.now(), l.random());\nsize *= 2;\ndelay = other * 2;\ncapacity = capacity * 2;\n", []),
    ("modules/runtime/src/backoff.cpp", "delay *= 2;\n", []),
    (TEST, "delay *= 2;\n", []),
    # exceptions of any type
    (CPP, "try { f(); } catch (const std::exception& e) { g(); }\n", ["exceptions"]),
    (CPP, "try { f(); } catch (std::exception& e) { if (a) { b(); } } catch (const other& o) {}\n", ["exceptions"]),
    (CPP, "try { f(); } catch (const std::exception& e) { if (a) { b(); } } catch (...) { g(); }\n", []),
    (CPP, "try { f(); } catch (const std::invalid_argument& e) { g(); }\ntry { f(); } catch (...) {}\n", []),
    (TEST, "try { f(); } catch (const std::exception& e) {}\n", []),
    # the user's code in tasks of its own
    (CPP, "std::function<task<void>()> hook_;\nvoid f() { work_.spawn(run()); }\ntask<void> run() { co_await hook_(); }\n",
     ["unguarded"]),
    (CPP, "std::move_only_function<weft::task<result<int>>(context, int)> call_;\n"
          "task<void> run() { tasks.spawn(g()); auto a = co_await self->call_(ctx, 1); }\n", ["unguarded"]),
    (CPP, "known_hook on_close_;\ntask<void> run() { tasks.spawn(g()); co_await on_close_(ctx); }\n", ["unguarded"]),
    (CPP, "std::function<task<void>()> hook_;\n"
          "task<void> run() { tasks.spawn(g()); co_await guarded_await(hook_); }\n", []),
    (CPP, "std::function<task<void>()> hook_;\n"
          "task<void> run() { tasks.spawn(g()); try { co_await hook_(); } catch (...) { f(); } }\n", []),
    (CPP, "std::function<task<void>()> hook_;\n"
          "task<void> run() { tasks.spawn(g()); try { f(); } catch (...) { f(); } co_await hook_(); }\n", ["unguarded"]),
    (CPP, "std::function<task<void>()> hook_;\ntask<void> run() { co_await hook_(); }\n", []),
    (CPP, "std::function<void()> hook_;\ntask<void> run() { tasks.spawn(g()); co_await other_(); hook_(); }\n", []),
    # exemptions
    (CPP, "// " + STYLE + "allow clock: for people\nauto a = time(nullptr);\n", []),
    (CPP, "// why, at\n// " + STYLE + "allow clock: for people\n// length\nauto a = time(nullptr);\n", []),
    (CPP, "auto a = time(nullptr);  // " + STYLE + "allow clock: for people\n", []),
    (CPP, "// " + STYLE + "allow clock in this file: for people\n\n\nauto a = time(nullptr);\n", []),
    (CPP, "// " + STYLE + "allow clock: for people\n\nauto a = time(nullptr);\n", ["allow", "clock"]),
    (CPP, "// " + STYLE + "allow sleep: for people\nauto a = time(nullptr);\n", ["allow", "clock"]),
    (CPP, "// " + STYLE + "allow clock:\nauto a = time(nullptr);\n", ["allow", "clock"]),
    (CPP, "// " + STYLE + "allow anything: else\n", ["allow"]),
]


def main():
    wrong = 0
    cases = [(*case, PROJECT) for case in CASES] + [("modules/base/CMakeLists.txt", "\n", ["order"], BACKWARD)]
    for path, text, expected, project in cases:
        found = [rule for _, rule, _, _ in rules.check(Source(path, text), project)]
        if found != expected:
            wrong += 1
            print(f"{path}: expected {expected}, found {found} in:\n{text[:400]}")
    found_by_some = {rule for case in CASES for rule in case[2]}
    for rule in rules.RULES.keys() - found_by_some:
        wrong += 1
        print(f"no case breaks the rule {rule}")
    print(f"{len(cases)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
