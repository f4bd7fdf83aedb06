"""A source file as the rules see it: its lines, its code without comments and literals, its lambdas."""
import re

CPP = (".cpp", ".hpp", ".h")
LITERAL_OR_COMMENT = re.compile(
    r'''//(?:[^\n\\]|\\.|\\\n)*
      | /\*.*?\*/
      | \b(?:u8|u|U|L)?R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"
      | "(?:[^"\\\n]|\\.|\\\n)*"
      | (?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'
    ''', re.VERBOSE | re.DOTALL)
TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.']*|\[\[|::|->|&&|[^\s\w]")
ALLOW = re.compile(r"(?P<mark>//|#|<!--)\s*weft-style:\s*(?:allow (?P<rule>[a-z-]+)(?P<file> in this file)?:\s*(?P<reason>\S.*)"
                   r"|(?P<closure>closure outlives the coroutine)|(?P<other>.*))")
# After these words an opening bracket begins a lambda, not an index.
BEFORE_LAMBDA = {"return", "co_return", "co_await", "co_yield", "case", "else", "throw", "do"}
CLOSING = {"(": ")", "[": "]", "{": "}", "[[": "]"}


def blank(found):
    """The same text as spaces; quotes stay, so that a literal is still a token and not a gap."""
    text = found.group()
    spaces = re.sub(r"[^\n]", " ", text)
    return spaces if text.startswith("/") else '"' + spaces[1:-1] + '"'


class Exemption:
    """A comment that lets a rule be broken, on its line or the next, or in the whole file."""

    def __init__(self, line, rule, whole_file, reason):
        self.line, self.rule, self.whole_file, self.reason = line, rule, whole_file, reason
        self.used = False


class Source:
    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.is_cpp = path.endswith(CPP)
        self.code = LITERAL_OR_COMMENT.sub(blank, text) if self.is_cpp else ""
        self.code_lines = self.code.split("\n")
        parts = path.split("/")
        self.module = parts[1] if parts[0] == "modules" and len(parts) > 2 else None
        self.is_test = "tests" in parts
        self.exemptions, self.unclear = [], []
        for number, line in enumerate(self.lines, 1):
            found = ALLOW.search(line)
            if found and found["mark"] == ("//" if self.is_cpp else "<!--" if path.endswith(".md") else "#"):
                if found["closure"]:
                    self.exemptions.append(Exemption(number, "lambda-coroutine", False, found["closure"]))
                elif found["rule"]:
                    self.exemptions.append(Exemption(number, found["rule"], bool(found["file"]), found["reason"]))
                else:
                    self.unclear.append(number)

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def exempt(self, rule, line):
        """Whether a comment on the line, in the comment block right above it, or for the file allows it."""
        first = line
        while first > 1 and self.lines[first - 2].lstrip().startswith(("//", "#", "<!--")):
            first -= 1
        # The comment may also end the line before.
        first = min(first, line - 1)
        for each in self.exemptions:
            if each.rule == rule and (each.whole_file or first <= each.line <= line):
                each.used = True
                return True
        return False

    def lambdas(self):
        """(line, captures, is a coroutine itself) of each lambda."""
        tokens = [(found.group(), found.start()) for found in TOKEN.finditer(self.code)]
        found = []  # [offset, captures, body begin, body end, coroutine]
        for at, (token, offset) in enumerate(tokens):
            if token == "[" and begins_lambda(tokens, at):
                capture_end = match(tokens, at)
                body = body_of(tokens, capture_end + 1)
                if body is not None:
                    found.append([offset, capture_end > at + 1, body, match(tokens, body), False])
        for at, (token, _) in enumerate(tokens):
            if token in ("co_await", "co_return", "co_yield"):
                around = [each for each in found if each[2] < at < each[3]]
                if around:
                    max(around, key=lambda each: each[2])[4] = True
        return [(self.line_of(offset), captures, coroutine) for offset, captures, _, _, coroutine in found]


def match(tokens, at):
    """The index of the bracket that closes the one at `at`, or of the last token."""
    depth = 0
    for index in range(at, len(tokens)):
        token = tokens[index][0]
        if token in CLOSING:
            depth += 2 if token == "[[" else 1
        elif token in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return index
    return len(tokens) - 1


def begins_lambda(tokens, at):
    if at == 0:
        return False
    before = tokens[at - 1][0]
    if re.match(r"\w", before):
        return before in BEFORE_LAMBDA
    return before not in (")", "]", '"', "'")


def body_of(tokens, at):
    """The index of the brace that opens the lambda's body, or None when this is no lambda."""
    angles = 0
    while at < len(tokens):
        token = tokens[at][0]
        if token == "{" and angles <= 0:
            return at
        if token in ("(", "[[", "["):
            at = match(tokens, at)
        elif token == "<":
            angles += 1
        elif token == ">":
            angles -= 1
        elif token in (";", ")", "}", "]", "=", ":", "?") or (token == "," and angles <= 0):
            return None
        at += 1
    return None
