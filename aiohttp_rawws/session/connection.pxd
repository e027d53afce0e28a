import cython

from ..wire.parser cimport Parser, ReadBuffer
from ..wire.frames cimport Frame, octets, whole_piece
from ..wire.native cimport Output, rotate, run_in, write_some

cdef Py_ssize_t CORK_LIMIT, COPY_LIMIT, HIGH_WATER, KEYS, LOW_WATER
cdef unsigned int UNMASKED, MASKED, LENGTH_ENCODING, LENGTH_64, AFTER_CLOSE
cdef long long BREATH, WRITE_COST
cdef object DONE, running_loop


@cython.final
cdef class Waiter:
    cdef object _future
    cdef object _loop
    cdef readonly bint waiting

    cpdef begin(self)
    cdef end(self)
    cpdef close(self)
    cpdef wake(self, bint direct)


@cython.final
cdef class Keys:
    cdef bytes _drawn
    cdef Py_ssize_t _used

    @cython.locals(start=Py_ssize_t)
    cpdef bytes next(self)


cdef class Connection


@cython.final
cdef class Cork:
    cdef readonly Keys keys
    cdef readonly ReadBuffer buffer
    cdef public bint active
    cdef public bint orphaned
    cdef public Connection first

    @cython.locals(session=Connection)
    cpdef release(self)


cdef class Connection:
    cdef readonly object request
    cdef readonly object response
    cdef readonly bint is_client
    cdef readonly object protocol
    cdef readonly object extensions
    cdef readonly object exception
    cdef public bint masking
    cdef Connection _after
    cdef object _behind
    cdef Py_ssize_t _behind_size
    cdef long long _breath
    cdef bint _choked
    cdef Frame _close_received
    cdef Frame _close_sent
    cdef readonly long long bytes_received
    cdef Cork _cork
    cdef bint _corked
    cdef list _end_callbacks
    cdef bint _ending
    cdef readonly bint _eof_received
    cdef readonly bint _eof_sent
    cdef int _fd
    cdef object _is_closing
    cdef readonly double _linger
    cdef readonly object _loop
    cdef readonly bint _lost
    cdef object _on_lost
    cdef Output _out
    cdef Parser _parser
    cdef bint _paused
    cdef object _peername
    cdef bytes _piece_key
    cdef long long _piece_left
    cdef long long _piece_length
    cdef bint _resuming
    cdef object _sockname
    cdef Connection _source
    cdef object _sslcontext
    cdef bint _stalling
    cdef Connection _target
    cdef readonly object _transport
    cdef Waiter _waiter
    cdef readonly list _waiters
    cdef readonly bint _write_paused
    cdef readonly long long _written

    @cython.locals(parser=Parser, frame=Frame)
    cdef Frame _next(self)
    @cython.locals(parser=Parser)
    cdef _leave_pieces(self)
    @cython.locals(parser=Parser)
    cdef bint _prepare(self) except -1
    cpdef list _next_batch(self)
    cpdef _next_piece(self)
    @cython.locals(parser=Parser)
    cpdef _next_part(self)
    cdef _refuse_second(self)
    cdef _refuse_left(self)
    cdef _taken(self, Frame frame)
    cpdef _more(self)
    @cython.locals(parser=Parser)
    cdef bint _ended(self) except -1
    cpdef _end_of_stream(self)
    @cython.locals(parser=Parser, target=Connection)
    cdef _relieve(self)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cpdef bint _may_pass_to(self, Connection target)
    cpdef bint _between_frames(self)
    @cython.locals(parser=Parser)
    cpdef tuple _passed(self)
    cpdef _pass_to(self, Connection target)
    cdef _note_stall(self)
    cpdef _forward(self, item)
    @cython.locals(target=Connection)
    cpdef _pass(self, bytearray data, Py_ssize_t size)
    @cython.locals(sent=Py_ssize_t)
    cdef _put_octets(self, bytearray data, Py_ssize_t size)
    cdef _send(self, frame)
    cpdef _offer(self, Frame frame, Py_ssize_t max_backlog)
    @cython.locals(waiting=Py_ssize_t)
    cdef Py_ssize_t _backlog(self) except -1
    cdef bint _gone(self) except -1
    cdef bint _is_lost(self) except -1
    cdef bint _orphaned(self) except -1
    @cython.locals(cork=Cork)
    cdef bint _here(self) except -1
    cdef bint _reachable(self) except -1
    cdef bint _has_failed(self) except -1
    cdef bint _sendable(self) except -1
    cpdef _session_closed(self)
    @cython.locals(out=Output, head="unsigned char", payload=bytes)
    cdef _put_frame(self, Frame frame)
    cdef bytes _key_for(self, Frame frame)
    @cython.locals(payload=bytes)
    cpdef _put_piece(self, piece, unsigned int violations=*)
    @cython.locals(frame=Frame)
    cdef _begin_pieces(self, piece, unsigned int violations)
    @cython.locals(frame=Frame)
    cpdef _forward(self, item)
    @cython.locals(payload=bytes, key=bytes)
    cdef _put_as_it_stood(self, Frame frame)
    cdef bint _may_send(self, unsigned int violations) except -1
    @cython.locals(key=bytes)
    cdef bytes _put_header_as_it_stood(
        self, unsigned char head, long long length, bytes mask, unsigned int violations
    )
    cdef _put_wire(self, bytes data)
    cdef _put(self, bytes data)
    @cython.locals(cork=Cork)
    cdef _flush_later(self)
    @cython.locals(out=Output, size=Py_ssize_t)
    cdef _flush(self)
    @cython.locals(out=Output, sent=Py_ssize_t)
    cdef _flush_with(self, bytes payload)
    cdef _hand_over(self, data)
    cdef _check_limits(self)
    cdef _check_high_water(self)
    cdef bint _is_held(self) except -1
    cdef _put_behind(self, bytes data)
    cdef bytes _take_behind(self)
    cdef _send_behind(self)
    cdef _hand_over_all(self)
    cdef _drop_output(self)
    cdef _count(self, Py_ssize_t size)
    cdef bint _direct(self) except -1
    @cython.locals(parser=Parser)
    cpdef buffer_updated(self, Py_ssize_t nbytes)
    @cython.locals(cork=Cork)
    cdef _wake_reader(self)
    cpdef _changed(self)
    cdef _hang_up(self)
