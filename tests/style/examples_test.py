"""The test of examples.py: what counts as an example, and how it becomes a part of a unit that a compiler takes."""
import sys

from examples import Example, example_of, unit_of

HEADER = """#pragma once
// What it is for.
//
//     struct point { int x = 0; };
//     BOOST_DESCRIBE_STRUCT(point, (), (x))
//
//     WEFT_CO_TRY(auto p, co_await find(ctx));
//     ...
//     if (p.x > 0) { ... }
//     for (;;) { f(); ... }
//
//     curl -X POST :8080/points
//
//     points:
//       first: {x: 1}
//
// More about it:
//   one      an entry of a list
//            that goes on
#include <vector>
class finder {
  // Finds:
  //     f();
  int no_example = 0;  //     g();
};
"""
GIVEN = "#include <weft/runtime/context.hpp>\nextern context ctx;\n"


def unit(module, code, own="", shared=""):
    return unit_of(module, [Example("weft/net/find.hpp", "modules/net/include/weft/net/find.hpp", code, own)], shared)


def main():
    wrong, count = [], 0

    def expect(what, holds):
        nonlocal count
        count += 1
        if not holds:
            wrong.append(what)

    paragraphs = example_of(HEADER)
    expect("three paragraphs of code", len(paragraphs) == 3 and paragraphs[0][1].startswith("struct point"))
    expect("they know their lines", [line for line, _ in paragraphs] == [4, 7, 23])
    expect("no example", example_of("#pragma once\n// Text only.\n#include <vector>\n") == [])

    made = unit("net", paragraphs, own=GIVEN, shared="#include <weft/runtime/loop.hpp>\nextern loop& l;\n")
    expect("definitions stand before the function", made.index("struct point") < made.index("example_weft_net_find() {"))
    expect("a coroutine where it awaits", "weft::task<weft::result<>> example_" in made and "co_return" in made)
    expect("ellipses are gone", "..." not in made)
    expect("includes stand outside of the namespace", made.index("context.hpp") < made.index("namespace weft::net::examples"))
    expect("what is given stands inside", made.index("namespace of_weft_net_find") < made.index("extern context"))
    expect("what all take for given stands before", made.index("extern loop") < made.index("namespace of_weft_net_find"))
    expect("the compiler names the header", '#line 7 "modules/net/include/weft/net/find.hpp"\nWEFT_CO_TRY' in made)

    plain = unit("base", [(3, "int a = f();")])
    expect("a function where it does not await", "weft::result<> example_" in plain and "co_" not in plain)
    expect("base has weft's namespace", "namespace weft::examples" in plain)
    expect("a template is no body", "example_" not in unit("base", [(3, "template <class T>\nT twice(T a) {\n  return a;\n}")]))
    expect("nor is a function", "example_" not in unit("base", [(3, "int f(int a) {      // why\n  return a;\n}")]))
    special = unit("json", [(3, "template <>\nstruct weft::json::codec<money> {};")], own="struct money {};")
    expect("a specialisation stands outside of namespaces", special.index("struct money") > special.index("\n}\n"))

    for each in wrong:
        print(f"not so: {each}")
    print(f"{count} checks, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
