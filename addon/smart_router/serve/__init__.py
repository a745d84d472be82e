"""`smart-router serve`: several mitmproxy processes (workers) behind one listening socket.

A supervisor opens the sockets, starts the workers, starts others for those that die, replaces them one by
one on SIGHUP, and ends them on SIGTERM; it knows nothing of requests. The workers accept from the sockets
that they inherit, so that no connection is lost while one of them starts or ends, and the idle one accepts.
Supervisor and worker talk over a pair of sockets, in JSON lines: see `channel`.
"""
