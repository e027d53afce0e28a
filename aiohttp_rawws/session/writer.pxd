import cython

from ..wire.native cimport Output, write_some
from .cork cimport Cork, Corked
from .link cimport Link

cdef Py_ssize_t CORK_LIMIT, COPY_LIMIT, HIGH_WATER, LOW_WATER
cdef long long BREATH, WRITE_COST


cdef class Writer(Corked):
    cdef object _backlog
    cdef long long _breath
    cdef bint _choked
    cdef readonly Link link
    cdef readonly Output out
    cdef readonly bint paused
    cdef public object source
    cdef readonly long long written

    cdef put(self, bytes data)
    cdef put_alone(self, bytes data)
    @cython.locals(sent=Py_ssize_t)
    cdef put_octets(self, bytearray data, Py_ssize_t size)
    @cython.locals(cork=Cork)
    cdef flush_later(self)
    @cython.locals(out=Output, size=Py_ssize_t)
    cpdef flush(self)
    @cython.locals(out=Output, sent=Py_ssize_t)
    cdef flush_with(self, bytes payload)
    cpdef flush_all(self)
    cpdef drop(self)
    cdef _hand_over(self, data)
    cdef bint _is_direct(self) except -1
    cdef _count(self, Py_ssize_t size)
    @cython.locals(size=Py_ssize_t)
    cpdef Py_ssize_t waiting(self) except -1
    cpdef pause(self)
    cpdef resume(self)
    cdef _pause_senders(self)
    cdef _check_limits(self)
    cdef _check_high_water(self)
    cdef bint _is_held(self) except -1
    cdef _put_behind(self, bytes data)
    cdef _send_backlog(self)
