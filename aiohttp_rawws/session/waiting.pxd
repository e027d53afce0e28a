import cython

from ..wire.native cimport run_in

cdef object DONE


@cython.final
cdef class Waiter:
    cdef object _context
    cdef object _future
    cdef bint _lasting
    cdef object _loop
    cdef object _wake_up
    cdef readonly bint waiting

    cpdef begin(self)
    cdef end(self)
    cpdef close(self)
    cpdef wake(self, bint direct)
    cdef bint _take_callback(self, future) except -1
    cdef _settle(self)
    cdef _leave(self)
