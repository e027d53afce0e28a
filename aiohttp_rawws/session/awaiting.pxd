from .receiver cimport Receiver
from .sender cimport Sender


cdef class Awaiting:
    cdef readonly Receiver _receiver
    cdef readonly Sender _sender
