import cython

from ..wire.frames cimport Frame

cdef unsigned int FIN, WHOLE_TEXT, WHOLE_BINARY
cdef object new, TEXT, BINARY
cdef Py_ssize_t MAX_PONG


cdef class MessageAssembler:
    cdef bytearray _buffer
    cdef object _error
    cdef long long _fragments
    cdef bint _idle
    cdef long long _left
    cdef long long _length
    cdef object _opcode
    cdef object _size
    cdef bytes _tail
    cdef public object max_fragments
    cdef public object max_message_size
    cdef public bint validate_utf8

    @cython.locals(frame=Frame, payload=bytes, head="unsigned char")
    cpdef feed(self, item)


@cython.locals(known=Frame, opcode="unsigned char")
cpdef reply(frame)
