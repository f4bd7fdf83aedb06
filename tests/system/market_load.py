"""Somebody who asks the market for a profile, again and again."""
import threading

from program import PATIENCE, wait_until


class ProfileLoad(threading.Thread):
    """Asks for a profile, again and again, and keeps what it was answered."""

    def __init__(self, program, path):
        super().__init__()
        self.program, self.path, self.answers, self.stopping = program, path, [], False

    def run(self):
        while not self.stopping:
            status, content, _ = self.program.call("users", "GET", self.path)
            self.answers.append((status, content))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.join(PATIENCE)

    def ask_more(self, count):
        """What the next so many asked were answered."""
        first = len(self.answers) + 1  # the one under way began before
        wait_until(lambda: len(self.answers) >= first + count)
        return self.answers[first:first + count]
