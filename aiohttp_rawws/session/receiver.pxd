import cython

from ..wire.frames cimport Frame, whole_piece
from ..wire.parser cimport Parser
from ..wire.queue cimport FrameQueue
from .link cimport Link
from .reader cimport Reader
from .waiting cimport Waiter

cdef unsigned char LIMIT, CLOSED, VIOLATION


@cython.final
cdef class Receiver:
    cdef Link _link
    cdef Parser _parser
    cdef FrameQueue _queue
    cdef readonly Frame close_received
    cdef readonly Reader reader
    cdef readonly Waiter waiter

    @cython.locals(frame=Frame)
    cpdef Frame take(self)
    @cython.locals(frame=Frame)
    cdef Frame take_next(self)
    cpdef list take_all(self)
    cpdef take_or_raise(self)
    cdef bint _prepare(self) except -1
    cdef bint _settle(self) except -1
    @cython.locals(parser=Parser)
    cpdef leave_pieces(self)
    cdef _note_taken(self, Frame frame)
    cpdef take_piece(self)
    @cython.locals(parser=Parser)
    cpdef take_part(self)
    cpdef refuse_second(self)
    cdef _refuse_rest(self)
    cpdef more(self)
    @cython.locals(parser=Parser)
    cpdef bint has_ended(self) except -1
    cpdef end_of_stream(self)
