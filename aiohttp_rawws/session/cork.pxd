import cython

from ..wire.native cimport ReadBuffer, key_at

cdef Py_ssize_t KEYS


@cython.final
cdef class MaskingKeys:
    cdef bytearray _drawn
    cdef Py_ssize_t _used

    @cython.locals(start=Py_ssize_t)
    cpdef bytes next(self)


cdef class Corked:
    cdef readonly bint corked
    cdef readonly Corked next_corked

    cpdef flush(self)


@cython.final
cdef class Cork:
    cdef readonly MaskingKeys keys
    cdef readonly ReadBuffer buffer
    cdef public bint active
    cdef public bint orphaned
    cdef public Corked first

    cdef hold(self, Corked output)
    @cython.locals(output=Corked)
    cpdef release(self)
