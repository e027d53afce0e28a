from .connection cimport Connection


cdef class Awaiting(Connection):
    pass
