import cython

from .cork cimport Cork

cdef object running_loop


@cython.final
cdef class Link:
    cdef object _peername
    cdef public object changes
    cdef object _sockname
    cdef readonly Cork cork
    cdef readonly object exception
    cdef readonly int fd
    cdef readonly object is_closing
    cdef readonly bint keeps_input
    cdef readonly object loop
    cdef readonly bint lost
    cdef readonly object sslcontext
    cdef readonly object transport

    cpdef notify(self)
    cpdef note_loss(self, exception)
    cpdef bint is_lost(self) except -1
    cpdef bint is_gone(self) except -1
    cpdef bint is_orphaned(self) except -1
    @cython.locals(cork=Cork)
    cpdef bint is_here(self) except -1
    cpdef bint is_reachable(self) except -1
    cpdef bint has_failed(self) except -1
    cpdef get_extra_info(self, name, default=*)
    cpdef close(self)
