"""Serves moto on a free port of this machine, says which one, and ends with its standard input."""

import sys

import moto_digest
from moto.server import ThreadedMotoServer

moto_digest.install()

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
print(port, flush=True)
sys.stdin.read()
server.stop()
