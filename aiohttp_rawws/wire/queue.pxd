import cython

from .frames cimport Frame

cdef Py_ssize_t FRAME_COST, SHIFTED


@cython.final
cdef class FrameQueue:
    cdef list _behind
    cdef Py_ssize_t _second
    cdef public Py_ssize_t cost
    cdef readonly object first

    cdef put(self, item, Py_ssize_t size)
    @cython.locals(behind=list, second=Py_ssize_t, frame=Frame)
    cpdef take(self)
    cpdef take_all(self)
    @cython.locals(frame=Frame)
    cdef count_only_items(self)
    cdef _shift(self)
