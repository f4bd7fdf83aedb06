"""The test of examples.py: what counts as an example, and how it becomes a unit that a compiler takes."""
import sys

from examples import example_of, unit_of

HEADER = """#pragma once
// What it is for.
//
//     struct point { int x = 0; };
//     BOOST_DESCRIBE_STRUCT(point, (), (x))
//
//     WEFT_CO_TRY(auto p, co_await find(ctx));
//     ...
//     if (p.x > 0) { ... }
//
// More about it.
#include <vector>
//     not an example
"""
GIVEN = "#include <weft/runtime/context.hpp>\nextern context ctx;\n"


def main():
    wrong = []

    def expect(what, holds):
        if not holds:
            wrong.append(what)

    paragraphs = example_of(HEADER)
    expect("two paragraphs", len(paragraphs) == 2 and paragraphs[0].startswith("struct point"))
    expect("no example", example_of("#pragma once\n// Text only.\n#include <vector>\n") == [])
    expect("no comment", example_of("#pragma once\n#include <vector>\n//     code\n") == [])

    unit = unit_of("weft/net/find.hpp", "net", paragraphs, GIVEN)
    expect("definitions stand before the function", unit.index("struct point") < unit.index("example() {"))
    expect("a coroutine where it awaits", "weft::task<weft::result<>> example()" in unit and "co_return" in unit)
    expect("ellipses are gone", "..." not in unit)
    expect("includes stand outside of the namespace", unit.index("context.hpp") < unit.index("namespace weft::net::examples"))
    expect("what is given stands inside", unit.index("extern context") > unit.index("namespace weft::net::examples"))

    plain = unit_of("weft/base/a.hpp", "base", ["int a = f();"], "")
    expect("a function where it does not", "weft::result<> example()" in plain and "co_" not in plain)
    expect("base has weft's namespace", "namespace weft::examples" in plain)
    template = unit_of("weft/base/a.hpp", "base", ["template <class T>\nT twice(T a) {\n  return a + a;\n}"], "")
    expect("a template is no body", "example()" not in template)

    for each in wrong:
        print(f"not so: {each}")
    print(f"11 checks, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
