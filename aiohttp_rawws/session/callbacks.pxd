import cython

from .reader cimport Reader


cdef class ReadCallbacks:
    cdef readonly Reader reader

    @cython.locals(reader=Reader)
    cpdef get_buffer(self, sizehint)
    @cython.locals(reader=Reader)
    cpdef buffer_updated(self, Py_ssize_t nbytes)
