"""Passes connections to a TCP port of this host on to a unix socket: bridge.py PORT SOCKET"""

import socket
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # The other side has gone.


def main(port, path):
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            outside, _ = server.accept()
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(path)
            for pair in ((outside, inside), (inside, outside)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


main(int(sys.argv[1]), sys.argv[2])
