import cython

from ..wire.parser cimport Parser
from ..wire.partial cimport Forwarding
from ..wire.rules cimport Rules
from .cork cimport Cork
from .link cimport Link
from .sender cimport Sender
from .waiting cimport Waiter

cdef unsigned int AFTER_CLOSE
cdef unsigned char LIMIT


cdef class Consumer:
    cpdef bint run(self) except -1


@cython.final
cdef class Reader:
    cdef bint _resuming
    cdef bint _stalling
    cdef readonly long long bytes_received
    cdef public Consumer consumer
    cdef readonly bint discarding
    cdef readonly bint eof_received
    cdef readonly Link link
    cdef readonly Parser parser
    cdef readonly bint paused
    cdef readonly Sender target
    cdef readonly Waiter waiter

    cpdef start(self, bytes data)
    @cython.locals(parser=Parser)
    cdef read(self, Py_ssize_t count)
    @cython.locals(link=Link, cork=Cork)
    cpdef wake(self)
    cpdef note_eof(self)
    cpdef discard(self)
    cpdef bint is_over(self) except -1
    @cython.locals(parser=Parser, target=Sender)
    cpdef relieve(self)
    @cython.locals(parser=Parser)
    cpdef _read_on(self)
    cdef pause(self)
    cpdef resume(self)
    @cython.locals(link=Link)
    cdef _resume_transport(self)
    cpdef _read_kept(self)
    @cython.locals(rules=Rules)
    cpdef bint may_forward_to(self, Sender target)
    cpdef forward_to(self, Sender target)
    cpdef stop_forwarding(self)
    @cython.locals(forwarding=Forwarding)
    cpdef end_forwarding(self)
    @cython.locals(target=Sender)
    cpdef _forward(self, bytearray data, Py_ssize_t size)


cdef class ReadCallbacks:
    cdef readonly Reader reader

    @cython.locals(reader=Reader)
    cpdef get_buffer(self, sizehint)
    @cython.locals(reader=Reader)
    cpdef buffer_updated(self, Py_ssize_t nbytes)
