"""The documentation check's own test: what it must find, what it must leave alone, what --fix makes of it."""
import pathlib
import sys

import check
import metrics

FILES = {
    "a.cpp": "int before;\n  // [one]\n  int a;\n    int b;\n  // [inner]\n\n  int c;\n  // [/inner]\n  // [/one]\n"
             "// [twice]\n// [/twice]\n// [twice]\n// [/twice]\n",
    "b.md": "# A Title: with `code`\n```\n# not a heading\n```\n",
}
ONE = "int a;\n  int b;\n\nint c;"

# (Markdown, the number of problems, what --fix makes of it; None: the same)
SNIPPETS = [
    (f"<!-- snippet: a.cpp#one -->\n```cpp\n{ONE}\n```\n", 0, None),
    ("<!-- snippet: a.cpp#one -->\n```cpp\nint old;\n```\ntext\n", 1,
     f"<!-- snippet: a.cpp#one -->\n```cpp\n{ONE}\n```\ntext\n"),
    ("<!-- snippet: a.cpp#inner -->\n```\n```\n", 1, "<!-- snippet: a.cpp#inner -->\n```\nint c;\n```\n"),
    ("- a\n  <!-- snippet: a.cpp#inner -->\n  ```\n  ```\n", 1,
     "- a\n  <!-- snippet: a.cpp#inner -->\n  ```\n  int c;\n  ```\n"),
    ("<!-- snippet: a.cpp#none -->\n```\nint a;\n```\n", 1, None),
    ("<!-- snippet: a.cpp#twice -->\n```\n```\n", 1, None),
    ("<!-- snippet: none.cpp -->\n```\n```\n", 1, None),
    ("<!-- snippet: a.cpp#one -->\ntext\n", 1, None),
    ("````\n<!-- snippet: none.cpp -->\n```\n```\n````\n", 0, None),
    ("```cpp\nint anything;\n```\n", 0, None),
]
LINKS = [
    ("[a](a.cpp) ![b](b.md) [c](https://example.com/none) [d](#here)\n# Here\n", 0),
    ("[a](none.cpp)", 1),
    ("[a]: none.cpp", 1),
    ("[a](b.md#a-title-with-code) [b](/b.md)", 0),
    ("[a](b.md#not-a-heading)", 1),
    ("`[a](none.cpp)`\n```\n[a](none.cpp)\n```\n", 0),
    ("[a](a.cpp \"title\") [b](none.cpp \"title\")", 1),
]


CODE = """
  // metrics.add_counter("weft_commented_total", "Not there.");
  requests_ = m->add_counter("weft_a_requests_total", "Requests, by {what}.", std::vector<std::string>{"method", "status"});
  seconds_ = m->add_histogram("weft_a_seconds", "Time, "
                              "in all.", {"route"}, bounds);
  waiting_ = m->add_gauge("weft_a_waiting", "Waiting.").with({});
  dropped_ = o.metrics->add_callback(callback_kind::counter, "weft_a_dropped_total", "Lost.",
                                     [pool] { return f(pool, 1); }, {{"reason", "queue"}});
  other_ = add(metric_kind::counter, "weft_a_overflow_total", "Beyond.", {"metric"});
  mine_ = m->add_counter("shop_orders_total", "An application's.");
"""
KNOWN = {
    "weft_a_requests_total": ("counter", ["method", "status"], "Requests, by {what}."),
    "weft_a_seconds": ("histogram", ["route"], "Time, in all."),
    "weft_a_waiting": ("gauge", [], "Waiting."),
    "weft_a_dropped_total": ("counter", ["reason"], "Lost."),
    "weft_a_overflow_total": ("counter", ["metric"], "Beyond."),
}
# (text, the number of problems)
NAMES = [
    ("`weft_a_requests_total{method,status}` and weft_a_seconds_bucket{route=\"/\",le=\"1\"}", 0),
    ("`weft_b_requests_total`", 1),
    ("`weft_a_requests_total{route}`", 1),
    ("`weft_a_requests_total{method=\"GET\",peer=\"x\"}`", 1),
    ("`weft_a_*`, `weft_a_`", 0),
    ("`weft_b_*`", 1),
    ("`weft_table` of the database, weft_module(json), weft_x.cpp, a/weft_y", 0),
]


def check_names():
    wrong = 0
    if (found := metrics.metrics_of(metrics.without_comments(CODE))) != KNOWN:
        wrong += 1
        print(f"of the code: {found}")
    for text, expected in NAMES:
        found = list(metrics.check_text([text], KNOWN, {"weft_table"}))
        if len(found) != expected:
            wrong += 1
            print(f"expected {expected} problems, found {found} in {text}")
    if "| `weft_a_requests_total` | counter | `method`, `status` | Requests" not in metrics.listed(KNOWN):
        wrong += 1
        print(metrics.listed(KNOWN))
    return wrong


def main():
    wrong = check_names()
    for text, expected, rewritten in SNIPPETS:
        problems, fixed = check.check_snippets(text.split("\n"), lambda file: FILES.get(str(file)))
        if len(problems) != expected or "\n".join(fixed) != (rewritten or text):
            wrong += 1
            print(f"expected {expected} problems, found {problems}, rewritten to\n", "\n".join(fixed))
    for text, expected in LINKS:
        files = {**FILES, "page.md": text}
        found = list(check.check_links(pathlib.Path("page.md"), text.split("\n"), lambda file: files.get(str(file)),
                                       lambda file: str(file) in files))
        if len(found) != expected:
            wrong += 1
            print(f"expected {expected} problems, found {found} in {text}")
    print(f"{len(SNIPPETS) + len(LINKS) + len(NAMES) + 2} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
