import cython

from ..wire.frames cimport Frame
from ..wire.native cimport new_tuple

cdef unsigned int FIN, CONTROL, WHOLE_TEXT, WHOLE_BINARY
cdef object TEXT, BINARY


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
