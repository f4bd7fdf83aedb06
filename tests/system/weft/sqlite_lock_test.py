"""Two processes and one file of sqlite: the second is refused, and told why; when the first is gone it is let in."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

WEFT = sys.argv[1]
PATIENCE = 30  # seconds


def holds(process, path):
    """Whether the process has the file open. Asks the kernel, so that nothing touches the lock meanwhile."""
    folder = "/proc/{}/fd".format(process.pid)
    try:
        return any(os.path.realpath(os.path.join(folder, each)) == path for each in os.listdir(folder))
    except FileNotFoundError:
        return False


class SqliteLock(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weft-lock-")
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(os.path.realpath(self.folder.name), "broker.db")
        self.broker = "sqlite:" + self.file
        open(self.file, "wb").close()  # the program makes no files: a wrong path would be an empty broker

    def weft(self, *arguments):
        return subprocess.run([WEFT, *arguments, "--broker", self.broker], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)

    def start_holder(self):
        # It publishes what it reads, and reads nothing.
        holder = subprocess.Popen([WEFT, "publish", "a", "--lines", "-", "--broker", self.broker], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(holder.communicate)
        self.addCleanup(holder.kill)
        end = time.monotonic() + PATIENCE
        while not holds(holder, self.file + "-wal"):  # it is opened behind the lock
            self.assertIsNone(holder.poll(), "the first process has ended")
            self.assertLess(time.monotonic(), end, "the first process does not open the file")
            time.sleep(0.02)
        return holder

    def test_the_second_process_is_refused_until_the_first_is_gone(self):
        for how in (signal.SIGKILL, signal.SIGINT):
            with self.subTest(how=how.name):
                holder = self.start_holder()
                refused = self.weft("groups")
                self.assertEqual((refused.returncode, refused.stdout), (1, ""), refused)
                self.assertIn("the database " + self.file + " is in use", refused.stderr)
                self.assertIn("stop the other one", refused.stderr)
                problem = json.loads(self.weft("groups", "--json").stderr)["error"]
                self.assertEqual(problem["code"], "failed_precondition", problem)
                self.assertIn(self.file, problem["message"])

                holder.send_signal(how)
                holder.wait(PATIENCE)
                let_in = self.weft("publish", "orders.placed", '{"id": 7}')
                self.assertEqual(let_in.returncode, 0, let_in)
                self.assertEqual(self.weft("groups").returncode, 0)

    def test_output_that_is_lost_is_a_failure(self):
        """G9: a script that saves dead letters before it purges them must not go on."""
        for words in (("groups", "--json"), ("dlq", "list", "--json"), ("groups", "--help"), ("--version",)):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([WEFT, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
                                      check=False, env={**os.environ, "WEFT_BROKER": self.broker})
            self.assertEqual(done.returncode, 1, (words, done))
            self.assertIn("standard output cannot be written", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
