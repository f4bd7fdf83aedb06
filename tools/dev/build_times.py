"""build_times.py <.ninja_log> <begin> <end>: the seconds of a build, and its ten slowest translation units."""
import os
import re
import sys

log, begin, end = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
steps = {}
with open(log, encoding="utf-8") as lines:
    for line in lines:
        if line.startswith("#"):
            continue
        start, stop, _, output, _ = line.rstrip("\n").split("\t")
        steps[output] = (int(stop) - int(start)) / 1000

units = [(seconds, output) for output, seconds in steps.items() if output.endswith((".o", ".gch", ".pch"))]
print(f"clean build: {end - begin:.1f} s on {os.cpu_count()} cores, {len(units)} translation units, "
      f"{sum(seconds for seconds, _ in units):.1f} s of compiling")
for seconds, output in sorted(units, reverse=True)[:10]:
    print(f"{seconds:7.1f} s  {re.sub(r'CMakeFiles/[^/]*[.]dir/', '', output).removesuffix('.o')}")
