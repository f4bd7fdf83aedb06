"""dns_query.py <server> <port> <name> <A|AAAA|SRV>: asks once over UDP and prints each record as `ttl data`.

Fails when there is no answer within a second, or no such record.
"""
import ipaddress
import os
import socket
import struct
import sys

TYPES = {"A": 1, "AAAA": 28, "SRV": 33}


def query(name, kind):
    identifier = os.urandom(2)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return identifier + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", TYPES[kind], 1)


def read_name(message, at):
    labels, end = [], None
    for _ in range(128):
        length = message[at]
        if length >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from(">H", message, at)[0] & 0x3FFF
        elif length:
            labels.append(message[at + 1:at + 1 + length].decode())
            at += 1 + length
        else:
            return ".".join(labels), end or at + 1
    raise ValueError("a name that never ends")


def records(message, kind):
    _, flags, questions, answers, _, _ = struct.unpack_from(">HHHHHH", message)
    if flags & 0xF:
        raise ValueError(f"the server answered with code {flags & 0xF}")
    at = 12
    for _ in range(questions):
        at = read_name(message, at)[1] + 4
    for _ in range(answers):
        at = read_name(message, at)[1]
        found, _, ttl, size = struct.unpack_from(">HHIH", message, at)
        at += 10
        data = message[at:at + size]
        if found == TYPES[kind]:
            if kind == "SRV":
                yield ttl, "{} {} {} ".format(*struct.unpack_from(">HHH", data)) + read_name(message, at + 6)[0]
            else:
                yield ttl, str(ipaddress.ip_address(data))
        at += size


def main(server, port, name, kind):
    question = query(name, kind)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(1)
        channel.connect((server, int(port)))  # so that a closed port is an error at once
        channel.send(question)
        message = channel.recv(4096)
    if message[:2] != question[:2]:
        raise ValueError("an answer to another question")
    found = list(records(message, kind))
    for ttl, data in found:
        print(ttl, data)
    return 0 if found else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (OSError, ValueError, IndexError, struct.error) as problem:
        print(f"dns_query: {problem}", file=sys.stderr)
        sys.exit(1)
