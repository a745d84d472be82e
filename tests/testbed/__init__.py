"""The scripted provider: the far end of every end-to-end test, of the demo and of the benchmarks.

It imports neither pytest nor the router, so that a script or a process of its own can run it.
"""
