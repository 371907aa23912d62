"""Writes rows into a MariaDB cluster, one after the other, each a transaction; over a new connection whenever one is lost, until it is
ended.

usage: write.py ADDRESS PORT USER PASSWORD TABLE CLIENT
The table has the columns client, number, node, since and at; a row holds which server it was written by, and, as that says, when the
connection was new and when it was written.
Prints what happens, each on a line that begins with the seconds of the monotonic clock: "connected" and the server's name, "committed" and
a number, "found" and a number (the row that was being written when a connection was lost is there), "lost" and why (the row is written
again), "failed" and why (the server has refused it).
"""

import sys
import time

import pymysql

# Between two rows.
PAUSE = 0.03
# Between two tries to connect.
RETRY = 0.01
# The row is there already (ER_DUP_ENTRY).
DUPLICATE = 1062


def tell(what, about=""):
    print("%.6f %s %s" % (time.monotonic(), what, str(about).replace("\n", " ")), flush=True)


def write(connection, table, client, number, since):
    """What became of the row: "committed", or "found"."""
    row = "INSERT INTO %s (client, number, node, since, at) VALUES (%%s, %%s, @@wsrep_node_name, %%s, SYSDATE(6))" % table
    with connection.cursor() as cursor:
        try:
            cursor.execute(row, (client, number, since))
            return "committed"
        except pymysql.err.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise
            return "found"


def main(address, port, user, password, table, client):
    number = 0
    while True:
        try:
            connection = pymysql.connect(
                host=address, port=port, user=user, password=password, connect_timeout=1, read_timeout=20, autocommit=True
            )
            with connection.cursor() as cursor:
                cursor.execute("SELECT @@wsrep_node_name, SYSDATE(6)")
                node, since = cursor.fetchone()
                tell("connected", node)
            while True:
                tell(write(connection, table, client, number, since), number)
                number += 1
                time.sleep(PAUSE)
        except pymysql.err.OperationalError as error:
            # 2003: no connection; 2006, 2013: it is lost. All others are the server's own words.
            tell("lost" if 2000 <= error.args[0] < 3000 else "failed", error)
        except (pymysql.err.Error, OSError) as error:
            tell("failed", repr(error))
        time.sleep(RETRY)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:7])
