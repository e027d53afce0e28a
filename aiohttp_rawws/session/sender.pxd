import cython

from ..wire.frames cimport Frame, octets
from ..wire.native cimport Output, rotate
from .link cimport Link
from .writer cimport Writer

cdef Py_ssize_t CORK_LIMIT, COPY_LIMIT
cdef unsigned int UNMASKED, MASKED, LENGTH_ENCODING, LENGTH_64, AFTER_CLOSE


@cython.final
cdef class Sender:
    cdef bytes _piece_key
    cdef long long _piece_length
    cdef readonly Frame close_sent
    cdef public bint eof_sent
    cdef readonly Link link
    cdef public bint masking
    cdef readonly long long unfinished
    cdef readonly Writer writer

    cpdef send(self, frame)
    cpdef offer(self, Frame frame, Py_ssize_t max_backlog)
    cpdef bint is_open(self) except -1
    cpdef closed_error(self)
    @cython.locals(out=Output, head="unsigned char", payload=bytes)
    cdef _put_frame(self, Frame frame)
    cdef bytes _key_for(self, bytes mask)
    @cython.locals(payload=bytes)
    cpdef send_piece(self, piece, unsigned int violations=*)
    @cython.locals(frame=Frame)
    cdef _begin_pieces(self, piece, unsigned int violations)
    @cython.locals(frame=Frame)
    cpdef forward(self, item)
    cdef forward_octets(self, bytearray data, Py_ssize_t size, long long unfinished)
    @cython.locals(payload=bytes, key=bytes)
    cdef _put_as_it_stood(self, Frame frame)
    cdef bint _may_send(self, unsigned int violations) except -1
    @cython.locals(key=bytes)
    cdef bytes _put_header(
        self, unsigned char head, long long length, bytes mask, unsigned int violations
    )
