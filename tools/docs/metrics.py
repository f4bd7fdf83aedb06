"""The metrics that the code has, and what the documentation says of them.

Names in Markdown files and in the comments of public headers have to be names of the code, with labels that it gives them;
and docs/metrics.md lists what there is (./dev docs --fix writes it).
"""
import pathlib
import re

LIST = pathlib.Path("docs/metrics.md")
CALL = re.compile(r"\badd_(?P<kind>counter|gauge|histogram|callback)\s*\(|\badd\s*\(\s*metric_kind::(?P<own>\w+)\s*,")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# weft_x, weft_x_*, weft_x{label,label="value"}
NAME = re.compile(r"(?<![\w/.-])(?P<name>weft_[a-z0-9_]+)(?P<more>\*)?(?:\{(?P<labels>[a-z_][^{}\n]*)\})?(?![\w/]|\.\w|\()")
WORD = re.compile(r"\bweft_[a-z0-9_]+")
SUFFIXES = ("_bucket", "_sum", "_count")


def without_comments(text):
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.DOTALL)


def arguments(code, at):
    """The top-level arguments of the call whose parenthesis opens before `at`."""
    depth, found, literal = 0, [""], False
    while at < len(code):
        c = code[at]
        if c == '"' and code[at - 1] != "\\":
            literal = not literal
        if not literal:
            if c in ")]}" and depth == 0:
                break
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(c, 0)
            if c == "," and depth == 0:
                found.append("")
                at += 1
                continue
        found[-1] += c
        at += 1
    return [each.strip() for each in found]


def text_of(argument):
    """The text of an argument that is one literal or several in a row; None for another one."""
    if not re.fullmatch(r'(?:"(?:[^"\\]|\\.)*"\s*)+', argument):
        return None
    return "".join(LITERAL.findall(argument))


def labels_of(given, callback):
    for argument in given:
        inner = re.fullmatch(r"(?:std::vector<std::string>)?\s*\{(.*)\}", argument, re.DOTALL)
        if inner and callback:
            return re.findall(r'\{\s*"(\w+)"\s*,', inner[1])
        if inner and re.match(r'\s*"', inner[1]):
            return LITERAL.findall(inner[1])
    return []


def metrics_of(code):
    """name -> (kind, labels, help) of the metrics that C++ code, without its comments, adds."""
    found = {}
    for call in CALL.finditer(code):
        given = arguments(code, call.end())
        callback = call["kind"] == "callback"
        kind = call["own"] or call["kind"]
        if callback:
            of = re.search(r"callback_kind::(\w+)", given[0])
            kind = of[1] if of else "gauge"
        texts = [text for text in map(text_of, given) if text]
        if texts and texts[0].startswith("weft_"):
            name, about = texts[0], texts[1] if len(texts) > 1 else ""
            labels = labels_of(given, callback)
            if name in found:
                labels = sorted({*found[name][1], *labels}, key=[*found[name][1], *labels].index)
            found[name] = (kind, labels, about)
    return found


def check_text(lines, metrics, others):
    """(line, problem) for each name that is no metric and nothing else, and for labels that a metric does not have."""
    for number, line in enumerate(lines, 1):
        for found in NAME.finditer(line):
            name = found["name"]
            if name.endswith("_") or found["more"]:
                if not any(each.startswith(name) for each in [*metrics, *others]):
                    yield number, f"no metric begins with {name}"
                continue
            metric = name if name in metrics else next(
                (name.removesuffix(each) for each in SUFFIXES if name.removesuffix(each) in metrics), None)
            if metric is None:
                if name not in others:
                    yield number, f"there is no metric {name}: docs/metrics.md lists those there are"
                continue
            for label in re.findall(r"([a-z_]+)(?==|,|$)", re.sub(r'"[^"]*"', "", found["labels"] or "")):
                if label not in [*metrics[metric][1], "le", "module"]:
                    yield number, f"{metric} has no label {label}"


def listed(metrics):
    """docs/metrics.md."""
    lines = ["# Metrics", "", "What `/metrics` has, by name. An application's own metrics begin with its name instead of `weft`.",
             "`./dev docs --fix` writes this list from the code, and the documentation test holds it to that.", "",
             "| metric | type | labels | what it says |", "|---|---|---|---|"]
    for name, (kind, labels, about) in sorted(metrics.items()):
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{each}`' for each in labels)} | {about} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def comment_lines(text):
    """The lines of a header with nothing but their comments."""
    return [found[0] if (found := re.search(r"//.*", line)) else "" for line in text.split("\n")]


def code_files(root):
    return [*root.glob("modules/*/src/**/*.[ch]pp"), *root.glob("modules/*/include/**/*.hpp"), *root.glob("apps/*/src/*.[ch]pp")]


def read(root):
    """(metrics, other names beginning with weft_) of the tree."""
    metrics, others = {}, set()
    for file in sorted(code_files(root)):
        code = without_comments(file.read_text(encoding="utf-8"))
        for name, (kind, labels, about) in metrics_of(code).items():
            if name in metrics:
                labels = [*metrics[name][1], *(each for each in labels if each not in metrics[name][1])]
            metrics[name] = (kind, labels, about)
        others.update(WORD.findall(code))
    for file in [*root.glob("*/**/CMakeLists.txt"), root / "CMakeLists.txt", *root.glob("cmake/*"), root / "dev",
                 *root.glob("tools/**/*.sh")]:
        if file.is_file() and "build" not in file.relative_to(root).parts:
            others.update(WORD.findall(file.read_text(encoding="utf-8")))
    others.update(f"weft_{each.name}_tests" for each in root.glob("modules/*"))
    others.update(f"weft_{each.name}" for each in root.glob("modules/*"))
    return metrics, others
