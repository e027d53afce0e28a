"""A proxy that injects faults frame by frame, repeatable by its seed."""

from .proxy import ChaosProxy, chaos
from .records import FaultRecord

__all__ = ("ChaosProxy", "FaultRecord", "chaos")
