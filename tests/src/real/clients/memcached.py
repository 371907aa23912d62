"""Sets and gets values through memcached, over many connections, and asks each server whom it sees.

usage: memcached.py ADDRESS PORT OPERATIONS OPERATIONS_PER_CONNECTION
Prints one JSON object: operations tried and failed, connections by the server's process id and by the client's
address as the server has it (`stats conns`), and the first errors.
"""

import json
import sys

from pymemcache.client.base import Client

ERRORS_KEPT = 5


def seen_as(client):
    """The address that the server has for this connection; it knows the connection by the port the client uses."""
    port = client.sock.getsockname()[1]
    for key, value in client.stats("conns").items():
        if key.endswith(b":addr") and value.endswith(b":%d" % port):
            return value.decode().removeprefix("tcp:").rpartition(":")[0]
    raise ValueError("the server's list of connections has none from port %d" % port)


def main(address, port, operations, per_connection):
    batch = {"ops": 0, "failed": 0, "backends": {}, "clients": {}, "errors": []}

    def attempt(operation):
        batch["ops"] += 1
        try:
            return operation()
        except Exception as error:  # whatever a caller of the library would see is a failed operation
            batch["failed"] += 1
            if len(batch["errors"]) < ERRORS_KEPT:
                batch["errors"].append("%s: %s" % (type(error).__name__, error))
            raise

    def get(client, key, expected):
        value = client.get(key)
        if value != expected:
            raise ValueError("got %r for %s, expected %r" % (value, key, expected))

    def note_views(client):
        for field, seen in (("clients", seen_as(client)), ("backends", str(client.stats()[b"pid"]))):
            batch[field][seen] = batch[field].get(seen, 0) + 1

    while batch["ops"] < operations:
        client = Client((address, port), connect_timeout=5, timeout=5, no_delay=True)
        try:
            for number in range(per_connection // 2):
                key, value = "key-%d" % number, b"value %d of operation %d" % (number, batch["ops"])
                attempt(lambda: client.set(key, value, noreply=False))
                attempt(lambda: get(client, key, value))
            attempt(lambda: note_views(client))
        except Exception:
            pass  # counted; a user goes on with a new connection
        finally:
            client.close()
    print(json.dumps(batch))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
