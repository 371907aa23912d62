"""Consumes a quorum queue over one long-lived connection, which is named after the queue.

usage: consume.py ADDRESS PORT QUEUE
Declares the queue, prints "ready", then each message on a line of its own, once it is acknowledged. Ends, with an
error, when the connection is lost.
"""

import sys

import pika


def main(address, port, queue):
    parameters = pika.ConnectionParameters(
        address, port, socket_timeout=10, stack_timeout=15, client_properties={"connection_name": queue}
    )
    channel = pika.BlockingConnection(parameters).channel()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_qos(prefetch_count=100)

    def consume(channel, method, _properties, body):
        channel.basic_ack(method.delivery_tag)
        print(body.decode(), flush=True)

    channel.basic_consume(queue, consume)
    print("ready", flush=True)
    channel.start_consuming()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
