import cython

from .frames cimport Frame, make_frame
from .native cimport Payload, ReadBuffer, copy_out, key_at
from .partial cimport Forwarding, PartialFrame
from .queue cimport FrameQueue
from .rules cimport Rules, judge_close, judge_length, size_limited

cdef unsigned int AFTER_CLOSE, LENGTH_ENCODING
cdef unsigned char NONE, LIMIT, TOO_BIG, CLOSED, VIOLATION
cdef Py_ssize_t READ_SIZE, SMALL_PAYLOAD, FRAME_COST, MAX_CONTROL_PAYLOAD


@cython.final
cdef class Parser:
    cdef ReadBuffer _buffer
    cdef bytes _pending
    cdef readonly bint after_close
    cdef readonly object error
    cdef readonly Forwarding forwarding
    cdef readonly bint fragmented
    cdef readonly long long left
    cdef public long long limit
    cdef public long long max_frame_size
    cdef public object on_close
    cdef readonly PartialFrame part
    cdef public bint pieces
    cdef readonly FrameQueue queue
    cdef readonly Rules rules
    cdef readonly unsigned char stop

    cpdef bint is_full(self) except -1
    cpdef bint is_ready(self) except -1
    cdef bint _at_limit(self) except -1
    cdef Py_ssize_t _available(self) except -1
    cpdef feed(self, data)
    @cython.locals(pending=Py_ssize_t)
    cpdef writable(self)
    cpdef written(self, Py_ssize_t count)
    @cython.locals(pending=bytes)
    cpdef resume(self)
    cpdef settle(self)
    cpdef whole(self)
    cpdef cut(self)
    cpdef forward_to(self, sink)
    cpdef stop_forwarding(self)
    @cython.locals(position=Py_ssize_t, after=Py_ssize_t)
    cdef _parse(self, Py_ssize_t end)
    @cython.locals(
        data=bytearray,
        head="unsigned char",
        second="unsigned char",
        form="unsigned char",
        length="long long",
        position=Py_ssize_t,
        violations="unsigned int",
        key=bytes,
        sound=bytes,
        part=PartialFrame,
    )
    cdef Py_ssize_t _frame(self, Py_ssize_t start, Py_ssize_t end) except -1
    cdef Py_ssize_t _complete(
        self,
        unsigned char head,
        bytes payload,
        bytes key,
        unsigned int violations,
        Py_ssize_t start,
        Py_ssize_t after,
    ) except -1
    @cython.locals(payload=bytes)
    cdef _finish(self, PartialFrame part)
    @cython.locals(present=Py_ssize_t)
    cdef Py_ssize_t _forward(
        self,
        unsigned char head,
        long long length,
        Py_ssize_t start,
        Py_ssize_t position,
        Py_ssize_t end,
    ) except -1
    @cython.locals(size=Py_ssize_t, forwarding=Forwarding)
    cdef Py_ssize_t _forward_rest(self, Py_ssize_t end) except -1
    cdef _refuse(self, error)
    cdef Py_ssize_t _fail(
        self, unsigned int violations, Py_ssize_t start, bytes payload=*
    ) except -1


cdef long long long_length(bytearray data, Py_ssize_t start) except? -1
