"""Two ingresses: the usual forwarding loop, and `aiohttp_rawws.proxy`.

`python -m demo.ingress` starts each as a process, and probes what gets through and what it costs.
"""
