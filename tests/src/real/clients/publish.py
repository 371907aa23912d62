"""Publishes messages to a quorum queue, many connections one after another, each message confirmed by the broker.

usage: publish.py ADDRESS PORT QUEUE FIRST MESSAGES MESSAGES_PER_CONNECTION
The messages are the numbers from FIRST on. Prints one JSON object: numbers confirmed, messages failed, connections
opened, and the first errors.
"""

import json
import sys

import pika

ERRORS_KEPT = 5


def publish(parameters, queue, numbers, result):
    connection = pika.BlockingConnection(parameters)
    try:
        result["connections"] += 1
        channel = connection.channel()
        channel.confirm_delivery()
        for number in numbers:
            # With confirms on, this returns once a majority of the queue's members has it, and raises otherwise.
            channel.basic_publish("", queue, str(number), pika.BasicProperties(delivery_mode=2), mandatory=True)
            result["confirmed"].append(number)
    finally:
        if connection.is_open:
            connection.close()


def main(address, port, queue, first, messages, per_connection):
    result = {"confirmed": [], "failed": 0, "connections": 0, "errors": []}
    parameters = pika.ConnectionParameters(
        address, port, socket_timeout=10, stack_timeout=15, blocked_connection_timeout=20, connection_attempts=1
    )
    for start in range(first, first + messages, per_connection):
        numbers = range(start, min(start + per_connection, first + messages))
        before = len(result["confirmed"])
        try:
            publish(parameters, queue, numbers, result)
        except Exception as error:  # whatever a caller of the library would see fails the rest of this connection
            result["failed"] += len(numbers) - (len(result["confirmed"]) - before)
            if len(result["errors"]) < ERRORS_KEPT:
                result["errors"].append("%s: %s" % (type(error).__name__, error))
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:7]))
