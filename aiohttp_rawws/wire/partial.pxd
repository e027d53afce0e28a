import cython

from .native cimport Payload


@cython.final
cdef class PartialFrame:
    cdef readonly unsigned char head
    cdef readonly bytes key
    cdef readonly long long length
    cdef readonly long long offset
    cdef readonly Payload payload
    cdef readonly unsigned int violations

    cdef Py_ssize_t available(self) except -1
    @cython.locals(data=bytes)
    cdef cut(self)


@cython.final
cdef class Forwarding:
    cdef readonly long long frames
    cdef readonly long long octets
    cdef public object on_rest
    cdef readonly Py_ssize_t passed
    cdef readonly object sink

    @cython.locals(size=Py_ssize_t)
    cdef flush(self, bytearray data)
