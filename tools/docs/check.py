"""Checks the Markdown files: relative links lead somewhere, snippets equal the code they show, and the metrics that they
and the public headers name are those of the code (metrics.py).

    check.py [--fix]     --fix rewrites the snippets, and the list of metrics, from the code

A snippet is a fenced block right after a comment that names a file and a region of it:

    <!-- snippet: examples/1_hello/main.cpp#serve -->
    ```cpp
    ...
    ```

The region is what stands between the lines `// [serve]` and `// [/serve]` (`# [serve]` in other languages) of that
file, without the indentation all its lines share. Without `#region` it is the whole file.
"""
import pathlib
import re
import subprocess
import sys
import textwrap

import metrics

ROOT = pathlib.Path(__file__).resolve().parents[2]
SNIPPET = re.compile(r"^(?P<indent> *)<!-- snippet: (?P<file>[^\s#]+)(?:#(?P<region>[\w-]+))? -->[ ]*$")
FENCE = re.compile(r"^ *(?P<fence>`{3,}|~{3,})")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^ {0,3}\[[^\]]+\]:\s*(\S+)")
MARK = re.compile(r"^\s*(?://|#|--)\s*\[/?[\w-]+\]\s*$")


def region(text, name):
    """The lines of a region, or None; marks of regions inside it are left out."""
    lines = text.splitlines()
    if name is None:
        kept = lines
    else:
        begins = [at for at, line in enumerate(lines) if re.match(rf"^\s*(?://|#|--)\s*\[{name}\]\s*$", line)]
        ends = [at for at, line in enumerate(lines) if re.match(rf"^\s*(?://|#|--)\s*\[/{name}\]\s*$", line)]
        if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
            return None
        kept = lines[begins[0] + 1:ends[0]]
    return textwrap.dedent("\n".join(line.rstrip() for line in kept if not MARK.match(line))).strip("\n").split("\n")


def check_snippets(lines, load):
    """(problems as (line, text), the lines with every snippet as it should be); `load` reads a file or returns None."""
    problems, fixed, at = [], [], 0
    while at < len(lines):
        fixed.append(lines[at])
        marked = SNIPPET.match(lines[at])
        fence = FENCE.match(lines[at])
        at += 1
        if fence and not marked:  # an ordinary block: what stands in it is not ours to read
            end = closing(lines, at, fence["fence"])
            fixed.extend(lines[at:end + 1])
            at = end + 1
        if not marked:
            continue
        opened = FENCE.match(lines[at]) if at < len(lines) else None
        if not opened:
            problems.append((at, "no fenced block follows the snippet's comment"))
            continue
        end = closing(lines, at + 1, opened["fence"])
        text = load(marked["file"])
        wanted = region(text, marked["region"]) if text is not None else None
        if wanted is None:
            what = f"no region [{marked['region']}] in it, or not once" if text is not None else "no such file"
            problems.append((at, f"snippet of {marked['file']}: {what}"))
            wanted = None
        indent = marked["indent"]
        shown = lines[at + 1:end]
        if wanted is not None:
            wanted = [(indent + line).rstrip() for line in wanted]
            if shown != wanted:
                problems.append((at, f"the snippet differs from {marked['file']}: ./dev docs --fix rewrites it"))
                shown = wanted
        fixed.extend([lines[at], *shown, *lines[end:end + 1]])
        at = end + 1
    return problems, fixed


def closing(lines, at, fence):
    while at < len(lines) and not lines[at].strip().startswith(fence):
        at += 1
    return at


def anchors(text):
    """The anchors that headings make, as GitHub does."""
    found, fence = set(), None
    for line in text.splitlines():
        mark = FENCE.match(line)
        if mark and fence is None:
            fence = mark["fence"]
        elif mark and line.strip().startswith(fence):
            fence = None
        elif fence is None and line.startswith("#"):
            title = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).lower()
            found.add(re.sub(r"[^\w\- ]", "", title).replace(" ", "-"))
    return found


def links(lines):
    """(line, target) of each link outside code."""
    fence = None
    for number, line in enumerate(lines, 1):
        mark = FENCE.match(line)
        if mark and fence is None:
            fence = mark["fence"]
        elif mark and line.strip().startswith(fence):
            fence = None
        elif fence is None:
            for found in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
                yield number, found[1] or found[2]


def check_links(path, lines, load, exists):
    for number, target in links(lines):
        if re.match(r"[a-z][a-z0-9+.-]*:|//", target):
            continue
        file, _, anchor = target.partition("#")
        wanted = path if not file else (path.parent / file if not file.startswith("/") else pathlib.Path(file[1:]))
        if not exists(wanted):
            yield number, f"the link {target} leads nowhere"
        elif anchor and wanted.suffix == ".md" and anchor not in anchors(load(wanted) or ""):
            yield number, f"the link {target} leads to a file without that heading"


def load_file(path):
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def markdown_files():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard", "--", "*.md"],
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if listed.returncode == 0:
        return sorted({pathlib.Path(each) for each in listed.stdout.split("\0") if each})
    files = [each.relative_to(ROOT) for each in ROOT.rglob("*.md")]
    return sorted(each for each in files if each.parts[0] not in ("build", ".git"))


def check_metrics(options):
    """(file, line, problem): names that the code does not have, and a list that is not the code's."""
    known, others = metrics.read(ROOT)
    wanted = metrics.listed(known)
    if load_file(metrics.LIST) != wanted:
        if "--fix" in options:
            (ROOT / metrics.LIST).write_text(wanted, encoding="utf-8")
            print(f"{metrics.LIST}: rewritten")
        else:
            yield metrics.LIST, 1, "the list of metrics differs from the code: ./dev docs --fix rewrites it"
    for path in markdown_files():
        text = load_file(path)
        if text is not None and path != metrics.LIST:
            for line, problem in metrics.check_text(text.split("\n"), known, others):
                yield path, line, problem
    for path in sorted(ROOT.glob("modules/*/include/**/*.hpp")):
        for line, problem in metrics.check_text(metrics.comment_lines(path.read_text(encoding="utf-8")), known, others):
            yield path.relative_to(ROOT), line, problem


DOCUMENT = re.compile(r"\b((?:docs|modules)/[\w/.-]+\.md)\b")


def check_headers():
    """(file, line, problem): documents that public headers refer to and that are not there. They are installed."""
    for path in sorted(ROOT.glob("modules/*/include/**/*.hpp")):
        module = path.relative_to(ROOT).parts[1]
        for number, line in enumerate(metrics.comment_lines(path.read_text(encoding="utf-8")), 1):
            for document in DOCUMENT.findall(line):
                if not (ROOT / document).exists():
                    yield path.relative_to(ROOT), number, f"there is no {document}"
            if "README" in line and not (ROOT / "modules" / module / "README.md").exists():
                yield path.relative_to(ROOT), number, f"there is no modules/{module}/README.md"


def main(options):
    count = files = 0
    for path, line, problem in [*check_metrics(options), *check_headers()]:
        count += 1
        print(f"{path}:{line}: {problem}")
    for path in markdown_files():
        text = load_file(path)
        if text is None:
            continue
        files += 1
        lines = text.split("\n")
        problems, fixed = check_snippets(lines, load_file)
        if "--fix" in options and fixed != lines:
            (ROOT / path).write_text("\n".join(fixed), encoding="utf-8")
            print(f"{path}: snippets rewritten")
            lines = fixed
            problems, _ = check_snippets(lines, load_file)
        problems += check_links(path, lines, load_file, lambda wanted: (ROOT / wanted).exists())
        for line, problem in sorted(problems):
            count += 1
            print(f"{path}:{line}: {problem}")
    print(f"{files} Markdown files, {count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
