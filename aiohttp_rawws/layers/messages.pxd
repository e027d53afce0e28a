import cython

from ..wire.frames cimport Frame

cdef unsigned int FIN, OPCODE, CONTROL, CLOSE, PING, WHOLE_TEXT, WHOLE_BINARY
cdef object new, TEXT, BINARY
cdef Py_ssize_t MAX_CONTROL_PAYLOAD


cdef class MessageAssembler:
    cdef bytearray _buffer
    cdef object _error
    cdef long long _fragments
    cdef bint _idle
    cdef long long _left
    cdef long long _length
    cdef object _max_fragments
    cdef object _max_message_size
    cdef object _opcode
    cdef object _size
    cdef bytes _tail
    cdef bint _validate_utf8

    @cython.locals(payload=bytes, head="unsigned char")
    cdef _whole(self, Frame frame)


@cython.locals(opcode="unsigned char")
cdef reply_to(Frame frame)
