import cython

from .native cimport Output

cdef unsigned int ALL, FIN, RSV1, RSV2, RSV3, CONTROL, OPCODE, TEXT, BINARY, CLOSE, PING, PONG
cdef tuple OPCODES


cdef class NamedConstructor:
    cdef object _bound
    cdef object _function
    cdef str _instead


@cython.freelist(64)
cdef class Frame:
    cdef unsigned char _head
    cdef unsigned int _violations
    cdef bytes _payload
    cdef bytes _mask
    cdef bytes _wire


@cython.locals(frame=Frame)
cpdef Frame make_frame(unsigned char head, bytes payload, bytes mask, unsigned int violations)

cpdef tuple parts_of(Frame frame)

cdef Frame checked(kind, unsigned char head, bytes payload)

cdef bint are_equal(Frame one, Frame other)

@cython.locals(prepared=Frame)
cdef Frame with_encoding(Frame frame)

cpdef whole_piece(Frame frame)

@cython.locals(frame=Frame)
cpdef without_mask(item)

cpdef bytes octets(data, name)

cdef int opcode_number(opcode) except -1
