"""`smart-router serve`: several mitmproxy processes (workers) behind one listening socket.

A supervisor opens the sockets, starts the workers, restarts workers that die, replaces them one by one on
SIGHUP, and ends them on SIGTERM. It handles no requests. The workers inherit the sockets and accept from
them. With SO_REUSEPORT each worker would have its own queue, and the kernel would reset the connections
waiting in it when the worker ends; it is no faster and no better balanced. Supervisor and workers exchange
JSON lines over socket pairs: see `channel`.
"""
