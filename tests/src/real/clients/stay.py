"""Publishes to a quorum queue, or consumes from it, and stays: over a new connection whenever one is lost, until it is ended.

usage: stay.py ADDRESS PORT QUEUE publish FIRST | consume
Prints what happens, each on a line that begins with the seconds of the monotonic clock: "connected", "lost" and why, and "confirmed" or
"consumed" and a message. A publisher's messages are the numbers from FIRST on; one that was not confirmed is published again.
"""

import sys
import time

import pika

# Between two tries to connect, and between two messages.
PAUSE = 0.02


def tell(what, about=""):
    print("%.6f %s %s" % (time.monotonic(), what, about), flush=True)


def publish(channel, queue, number):
    channel.confirm_delivery()
    while True:
        # With confirms on, this returns once a majority of the queue's members has it, and raises otherwise.
        channel.basic_publish("", queue, str(number), pika.BasicProperties(delivery_mode=2), mandatory=True)
        tell("confirmed", number)
        number += 1
        yield number
        channel.connection.sleep(PAUSE)


def consume(channel, queue):
    def take(channel, method, _properties, body):
        tell("consumed", body.decode())
        channel.basic_ack(method.delivery_tag)

    channel.basic_qos(prefetch_count=10)
    channel.basic_consume(queue, take)
    channel.start_consuming()


def main(address, port, queue, role, number=0):
    parameters = pika.ConnectionParameters(
        address, port, socket_timeout=2, stack_timeout=5, heartbeat=60, connection_attempts=1
    )
    while True:
        try:
            connection = pika.BlockingConnection(parameters)
            channel = connection.channel()
            tell("connected")
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
            if role == "consume":
                consume(channel, queue)
            else:
                for number in publish(channel, queue, number):
                    pass
        except Exception as error:  # whatever a caller of the library would see is a connection that is lost
            tell("lost", "%s %s" % (type(error).__name__, str(error).replace("\n", " ")))
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5], *map(int, sys.argv[5:]))
