"""A load generator: so many connections, each sending its next request when its last one is answered.

``python -m benchmarks.load PORT CONNECTIONS SECONDS FILE`` takes requests from a JSON list, in turn, and prints how
many were answered a second and by what status. It shares the machine with what it measures, so it does little: the
requests are made beforehand, and of an answer it reads the status and the length.
"""

import json
import selectors
import socket
import sys
from collections import Counter
from itertools import cycle
from pathlib import Path
from time import perf_counter

WARM_UP_S = 0.3
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"
BODILESS = (204, 304)


class Caller:
    """One connection: it sends a request, and tells when its answer has arrived whole."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def send(self, request: bytes) -> None:
        self.received = b""
        self.socket.sendall(request)  # requests are small: they fit into the socket's buffer

    def status(self) -> int | None:
        """The status, once the answer is complete. Raises ConnectionError where the server hung up."""
        got = self.socket.recv(1 << 18)
        if not got:
            raise ConnectionError("the server closed the connection")
        self.received += got
        end = self.received.find(END_OF_HEAD)
        if end < 0:
            return None
        status = int(self.received[9:12])
        length = 0 if status in BODILESS else _length(self.received[:end])
        return status if len(self.received) >= end + len(END_OF_HEAD) + length else None


def _length(head: bytes) -> int:
    at = head.lower().index(LENGTH)
    return int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])


def run(port: int, connections: int, seconds: float, requests: list[bytes]) -> tuple[float, Counter[int]]:
    """Requests answered a second, and the statuses; what came while it warmed up is not counted in the rate."""
    upcoming, statuses, counted = cycle(requests), Counter[int](), 0
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            caller = Caller(port)
            selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.send(next(upcoming))
        warm = perf_counter() + WARM_UP_S
        end = warm + seconds
        while (now := perf_counter()) < end:
            for key, _ in selector.select(1):
                if (status := key.data.status()) is not None:
                    statuses[status] += 1
                    counted += now >= warm
                    key.data.send(next(upcoming))
    return counted / seconds, statuses


def main() -> None:
    port, connections, seconds, file = sys.argv[1:]
    requests = [one.encode() for one in json.loads(Path(file).read_text())]
    rate, statuses = run(int(port), int(connections), float(seconds), requests)
    print(json.dumps({"rate": rate, "statuses": statuses}))


if __name__ == "__main__":
    main()
