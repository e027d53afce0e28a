import cython

from .native cimport Output

cdef unsigned int ALL
cdef unsigned int FIN, RSV1, RSV2, RSV3
cdef tuple OPCODES


@cython.freelist(64)
cdef class Frame:
    cdef unsigned char _head
    cdef unsigned int _violations
    cdef bytes _payload
    cdef bytes _mask
    cdef bytes _wire

    cdef bint _equals(self, Frame other)
    @cython.locals(out=Output)
    cpdef bytes encode(self)


@cython.locals(frame=Frame)
cpdef Frame make_frame(unsigned char head, bytes payload, bytes mask, unsigned int violations)

cdef int opcode_number(opcode) except -1

cdef Frame checked(kind, unsigned char head, bytes payload)

@cython.locals(prepared=Frame)
cpdef Frame prepare(frame)

cpdef whole_piece(Frame frame)

@cython.locals(frame=Frame)
cpdef without_mask(item)

cpdef bytes octets(data, what)
