"""./dev services with a real one: the name server starts, answers, takes other records, stops, and says what is wrong."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    """For UDP and TCP alike: a name server takes both."""
    for _ in range(1000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, socket.socket() as other:
            probe.bind(("127.0.0.1", 0))
            try:
                other.bind(probe.getsockname())
                return probe.getsockname()[1]
            except OSError:
                continue
    raise AssertionError("no port of 127.0.0.1 is free for both UDP and TCP")


class Services:
    def __init__(self, folder):
        self.port = str(free_port())
        self.records = pathlib.Path(folder) / "my.records"
        self.environment = {**os.environ, "WEFT_SERVICES": folder, "WEFT_DNS_PORT": self.port,
                            "WEFT_DNS_RECORDS": str(self.records)}

    def run(self, *words):
        done = subprocess.run([ROOT / "dev", "services", *words], env=self.environment, capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def ask(self, name, kind="A"):
        done = subprocess.run([sys.executable, ROOT / "tools/services/dns_query.py", "127.0.0.1", self.port, name, kind],
                              capture_output=True, text=True, check=False)
        return sorted(done.stdout.split("\n")[:-1])


def expect(what, found, wanted):
    if not (wanted in found if isinstance(wanted, str) else found == wanted):
        raise AssertionError(f"{what}: expected {wanted!r}, found {found!r}")


def conversation(services):
    shutil.copy(ROOT / "tools/services/dnsmasq.records", services.records)
    expect("before the start", services.run("status", "dnsmasq")[1], "not running")
    code, said = services.run("start", "dnsmasq")
    expect(f"start ({said.strip()})", code, 0)
    expect("two addresses", services.ask("posts.weft.test"), ["1 127.0.0.1", "1 127.0.0.2"])
    expect("instances", services.ask("_posts._tcp.weft.test", "SRV"),
           ["1 10 25 8082 posts-2.weft.test", "1 10 75 8081 posts-1.weft.test", "1 20 1 8083 posts-3.weft.test"])
    expect("an unknown name", services.ask("nobody.weft.test"), [])
    expect("a second start", services.run("start", "dnsmasq")[1], "running")

    services.records.write_text("host-record=weft.test,127.0.0.1\nhost-record=posts.weft.test,127.0.0.9\n")
    expect("restart", services.run("restart", "dnsmasq")[0], 0)
    expect("the changed record", services.ask("posts.weft.test"), ["1 127.0.0.9"])

    expect("stop", services.run("stop", "dnsmasq")[1], "stopped")
    expect("a second stop", services.run("stop", "dnsmasq")[1], "not running")
    expect("after the stop", services.ask("posts.weft.test"), [])

    services.records.write_text("no-such-option\n")
    status, said = services.run("start", "dnsmasq")
    expect("wrong records", status, 1)
    expect("wrong records", said, "remedy: see above and")
    services.records.unlink()
    expect("no records", services.run("start", "dnsmasq")[1], "set WEFT_DNS_RECORDS")
    expect("an unknown service", services.run("start", "nobody")[1], "no service 'nobody'")


def main():
    if not shutil.which("dnsmasq", path=os.environ["PATH"] + ":/usr/sbin"):
        print("dnsmasq is missing; ./dev setup installs it")
        return 1 if os.environ.get("CI") else 77
    with tempfile.TemporaryDirectory() as folder:
        services = Services(folder)
        try:
            conversation(services)
        except AssertionError as problem:
            print(problem)
            return 1
        finally:
            services.run("stop", "dnsmasq")
    print("good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
