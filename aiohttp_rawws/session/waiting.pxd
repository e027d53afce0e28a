import cython

from ..wire.native cimport run_in

cdef object DONE


@cython.final
cdef class Waiter:
    cdef object _future
    cdef object _loop
    cdef readonly bint waiting

    cpdef begin(self)
    cdef end(self)
    cpdef close(self)
    cpdef wake(self, bint direct)
