import cython

from .mask cimport append

cdef unsigned int MAX_CONTROL_PAYLOAD
cdef unsigned int FIN, RSV1, RSV2, RSV3
cdef tuple OPCODES


cdef class Frame:
    cdef unsigned char _head
    cdef unsigned int _violations
    cdef bytes _payload
    cdef bytes _mask

    cdef bint _equals(self, Frame other)


@cython.locals(frame=Frame)
cpdef Frame make_frame(unsigned char head, bytes payload, bytes mask, unsigned int violations)

cpdef whole_piece(Frame frame)

cpdef bytes octets(data, what)

cpdef append_header(bytearray out, unsigned char head, unsigned long long length, bytes mask)

cpdef append_frame(bytearray out, unsigned char head, bytes payload, bytes mask)
