"""Writes rows into a MariaDB cluster, one after the other, each a transaction; over a new connection whenever one is lost, until it is
ended.

usage: write.py ADDRESS PORT USER PASSWORD TABLE CLIENT
The table has the columns client, number, node and at; a row holds which server it was written by, and when, as that says.
Prints what happens, each on a line that begins with the seconds of the monotonic clock: "connected" and the server's name, "committed" and
a number, "lost" and why (the row is written again), "failed" and why (the server has refused it).
"""

import sys
import time

import pymysql

# Between two rows.
PAUSE = 0.015
# Between two tries to connect.
RETRY = 0.01
# The row is there already (ER_DUP_ENTRY).
DUPLICATE = 1062


def tell(what, about=""):
    print("%.6f %s %s" % (time.monotonic(), what, str(about).replace("\n", " ")), flush=True)


def write(connection, table, client, number):
    row = "INSERT INTO %s (client, number, node, at) VALUES (%%s, %%s, @@wsrep_node_name, SYSDATE(6))" % table
    with connection.cursor() as cursor:
        try:
            cursor.execute(row, (client, number))
        except pymysql.err.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise


def main(address, port, user, password, table, client):
    number = 0
    while True:
        try:
            connection = pymysql.connect(
                host=address, port=port, user=user, password=password, connect_timeout=1, read_timeout=20, autocommit=True
            )
            with connection.cursor() as cursor:
                cursor.execute("SELECT @@wsrep_node_name")
                tell("connected", cursor.fetchone()[0])
            while True:
                write(connection, table, client, number)
                tell("committed", number)
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
