"""The ingress that keeps its promises: the usual forwarding loop beside ours.

`python -m demo.ingress` starts both, each as a process of its own, and puts the same questions to
both: what gets through, what it costs.
"""
