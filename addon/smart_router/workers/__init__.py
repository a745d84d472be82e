"""`smart-router serve`: several mitmproxy processes (workers) behind one listening socket.

A supervisor opens the sockets, starts the workers, starts others for those that die, replaces them one by
one on SIGHUP, and ends them on SIGTERM; it knows nothing of requests. The workers accept from the sockets
that they inherit. With SO_REUSEPORT instead, each would have a queue of its own, and the kernel would reset
what waits in it when its worker ends; it is no faster and no better balanced.
Supervisor and worker talk over a pair of sockets, in JSON lines: see `channel`.
"""
