import cython

from .frames cimport Frame, make_frame
from .native cimport Payload, copy_out, key_at

cdef unsigned int UNMASKED, MASKED, RESERVED_BITS, RESERVED_OPCODE, FRAGMENTED_CONTROL
cdef unsigned int LONG_CONTROL, UNEXPECTED_CONTINUATION, EXPECTED_CONTINUATION, LENGTH_ENCODING
cdef unsigned int CLOSE_PAYLOAD, AFTER_CLOSE
cdef unsigned int LENGTH_64
cdef Py_ssize_t READ_SIZE, SMALL_PAYLOAD, FRAME_COST, SHIFTED
cdef Py_ssize_t MAX_CONTROL_PAYLOAD
cdef tuple SOUND


cdef class ReadBuffer:
    cdef readonly bytearray data
    cdef readonly object view


@cython.final
cdef class Parser:
    cdef ReadBuffer _buffer
    cdef bytes _pending
    cdef Payload _payload
    cdef unsigned char _head
    cdef bytes _key
    cdef unsigned int _violations
    cdef long long _length
    cdef long long _offset
    cdef Py_ssize_t _passed
    cdef long long _left
    cdef readonly object next
    cdef list _behind
    cdef Py_ssize_t _second
    cdef unsigned char _masked
    cdef tuple _sound
    cdef public long long limit
    cdef public long long max_frame_size
    cdef public unsigned int reject
    cdef public bint pieces
    cdef readonly Py_ssize_t weight
    cdef readonly bint is_client
    cdef readonly bint extended
    cdef readonly bint fragmented
    cdef readonly bint after_close
    cdef readonly bint closed
    cdef readonly bint stalled
    cdef readonly object error
    cdef readonly object oversized
    cdef public object on_close
    cdef readonly object sink
    cdef readonly long long passed_frames
    cdef readonly long long passed_octets

    cpdef feed(self, data)
    @cython.locals(pending=Py_ssize_t)
    cpdef writable(self)
    @cython.locals(payload=Payload)
    cpdef written(self, Py_ssize_t count)
    cpdef resume(self)
    cpdef pass_to(self, sink)
    cpdef settle(self)
    cpdef whole(self)
    @cython.locals(behind=list, second=Py_ssize_t)
    cpdef take(self)
    cpdef take_all(self)
    @cython.locals(payload=Payload)
    cpdef cut(self)

    cdef _queue(self, item, Py_ssize_t size)
    cdef bint _full(self) except -1
    cdef bint _ready(self) except -1
    cdef Py_ssize_t _uncut(self) except -1
    cdef bint _stopped(self) except -1
    @cython.locals(position=Py_ssize_t, after=Py_ssize_t)
    cdef _parse(self, Py_ssize_t end)
    @cython.locals(size=Py_ssize_t)
    cdef _hand_over(self)
    cdef _forget_passed(self)
    @cython.locals(
        data=bytearray,
        head="unsigned char",
        second="unsigned char",
        length="long long",
        position=Py_ssize_t,
        violations="unsigned int",
        key=bytes,
        sound=bytes,
    )
    cdef Py_ssize_t _frame(self, Py_ssize_t start, Py_ssize_t end) except -1
    cdef bint _is_held(self, unsigned char head, long long length) except -1
    cdef Py_ssize_t _append(
        self,
        unsigned char head,
        bytes payload,
        bytes key,
        unsigned int violations,
        Py_ssize_t start,
        Py_ssize_t after,
    ) except -1
    @cython.locals(present=Py_ssize_t)
    cdef Py_ssize_t _pass(
        self,
        unsigned char head,
        long long length,
        Py_ssize_t start,
        Py_ssize_t position,
        Py_ssize_t end,
    ) except -1
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _pass_left(self, Py_ssize_t end) except -1
    cdef _count(self, unsigned char head)
    @cython.locals(payload=Payload)
    cdef _begin(
        self,
        unsigned char head,
        long long length,
        bytes key,
        unsigned int violations,
        Py_ssize_t start,
        Py_ssize_t end,
    )
    cdef _finish(self, bytes data)
    cdef _piece(self, bytes data)
    cdef _refuse(self, error)
    cdef Py_ssize_t _fail(
        self, unsigned int violations, Py_ssize_t start, bytes payload=*
    ) except -1


cpdef Py_ssize_t weigh(Frame frame)

cdef long long long_length(bytearray data, Py_ssize_t start) except -1

cpdef unsigned int judge(
    unsigned char head, unsigned char second, bint is_client, bint fragmented, bint extended
)

cpdef unsigned int judge_close(bytes payload)
