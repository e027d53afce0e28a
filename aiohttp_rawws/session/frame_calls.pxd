import cython

from ..wire.frames cimport Frame
from ..wire.native cimport run_in
from .reader cimport Consumer, Reader
from .receiver cimport Receiver
from .waiting cimport Waiter
from .writer cimport Writer

cdef unsigned char CLOSED


cdef class FrameCalls(Consumer):
    cdef object _context
    cdef object _function
    cdef Receiver _receiver
    cdef Writer _writer
    cdef readonly object error

    cpdef open(self)
    cpdef close(self)
    @cython.locals(reader=Reader)
    cpdef bint run(self) except -1
    @cython.locals(waiting=bint, frame=Frame)
    cpdef call(self, Waiter waiter)
    cpdef bint is_held(self) except -1
    cpdef target_paused(self)
    # Its method is passed on as an object.
    @cython.locals(reader=object)
    cpdef relieve(self)
