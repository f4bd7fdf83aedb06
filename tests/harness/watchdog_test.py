"""watchdog_test.py <program>: the program's test that never ends is named, and the program aborted."""
import os
import signal
import subprocess
import sys
import unittest


class Watchdog(unittest.TestCase):
    def test_names_and_aborts_a_test_that_hangs(self):
        ended = subprocess.run([PROGRAM], env={**os.environ, "WEFT_TEST_DEADLINE": "0.2"}, capture_output=True, text=True,
                               check=False, timeout=50)
        self.assertEqual(ended.returncode, -signal.SIGABRT)
        self.assertRegex(ended.stdout + ended.stderr, r"HANGS +\] Watchdog\.NamesATestThatHangs has not ended after")
        self.assertIn("OK ] Watchdog.LetsATestPassThatEnds", ended.stdout)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop()
    unittest.main()
