"""The awaitables of every frame: the compiled twin of `awaiting.py`.

Each await is an object that behaves as a coroutine, without a frame of Python. It is driven through
the slot `am_send`, as coroutines are, or where Python does not ask for that through `tp_iternext`.
"""

import asyncio.coroutines
import inspect
import warnings

cimport cython
from cpython.object cimport PyObject
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF

from ..wire.frames cimport Frame
from .receiver cimport Receiver
from .sender cimport Sender

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN, PYGEN_ERROR, PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(PyObject *, PyObject *, PyObject **) except PYGEN_ERROR
    # Its error goes on without a line in the traceback.
    ctypedef PySendResult (*quietfunc "sendfunc")(PyObject *, PyObject *, PyObject **) noexcept
    ctypedef PyObject *(*iternextfunc)(PyObject *) except? NULL
    ctypedef PyObject *(*unaryfunc)(PyObject *)
    ctypedef struct PyAsyncMethods:
        sendfunc am_send
        unaryfunc am_anext
    ctypedef struct PyTypeObject:
        PyAsyncMethods *tp_as_async
        iternextfunc tp_iternext
    PySendResult PyIter_Send(object, object, PyObject **) except PYGEN_ERROR
    ctypedef struct PyStopIterationObject:
        PyObject *traceback
        PyObject *context
        PyObject *value
    Py_ssize_t refcount "Py_REFCNT"(PyObject *)
    void PyErr_SetNone(object)
    void PyErr_SetObject(object, object)
    void PyErr_Restore(PyObject *, PyObject *, PyObject *)

cdef extern from *:
    """
    #define mark_for_asyncio(function) \\
        (((__pyx_CyFunctionObject *)(function))->flags |= __Pyx_CYFUNCTION_COROUTINE)
    #ifdef Py_GIL_DISABLED
    #define ONE_STOP 0
    #else
    #define ONE_STOP 1
    #endif
    """
    void mark_for_asyncio(object function)
    bint ONE_STOP

cdef enum:
    STEP, RECEIVE, SEND

cdef enum:
    NEW, WAITING, ENDED

# The largest payload that may live on, after its handler has let it go, until the next receive.
cdef Py_ssize_t KEPT = 64 * 1024


@cython.final
@cython.freelist(64)
cdef class Await:
    """Receives the next frame, or sends one."""

    cdef Awaiting session
    # What is sent, and then what waits until it has left.
    cdef object item
    cdef int kind
    cdef int state

    def __dealloc__(self):
        if self.state == NEW and self.kind != STEP:
            warnings.warn(f"coroutine {self.__qualname__!r} was never awaited", RuntimeWarning)
        elif self.state == WAITING and self.session is not None:
            self.close()

    @property
    def __qualname__(self):
        """For asyncio, which shows what a task runs."""
        return f"RawWebSocketSession.{('__anext__', 'receive', 'send')[self.kind]}"

    cdef PySendResult receive(self, bint resumed, PyObject **result) except PYGEN_ERROR:
        cdef Receiver receiver = self.session._receiver
        cdef Frame frame
        if resumed:
            receiver.waiter.end()
        frame = receiver.take()
        if frame is not None:
            return give(frame, PYGEN_RETURN, result)
        if receiver.has_ended():
            if self.kind == STEP:
                # `drive` raises StopAsyncIteration.
                result[0] = NULL
                return PYGEN_RETURN
            raise receiver.end_of_stream()
        forget()
        return give(receiver.waiter.begin(), PYGEN_NEXT, result)

    cdef PySendResult transmit(self, bint resumed, PyObject **result) except PYGEN_ERROR:
        cdef Sender sender = self.session._sender
        if not resumed:
            sender.send(self.item)
            if not sender.writer.paused:
                return give(None, PYGEN_RETURN, result)
            self.item = self.session.drain()
        return PyIter_Send(self.item, None, result)

    def __await__(self):
        return self

    def __next__(self):
        """See `iterate`."""

    def send(self, value):
        cdef PyObject *result
        cdef PySendResult how = drive(<PyObject *>self, <PyObject *>value, &result)
        answer = <object>result
        Py_DECREF(answer)
        if how == PYGEN_RETURN:
            raise StopIteration(answer)
        return answer

    def throw(self, kind, value=None, traceback=None):
        error = kind if value is None else value
        if self.state == WAITING and self.kind == SEND:
            return self.item.throw(error)
        self.close()
        raise error

    def close(self):
        cdef bint waiting = self.state == WAITING
        self.state = ENDED
        if waiting and self.kind == SEND:
            self.item.close()
        elif waiting:
            self.session._receiver.waiter.close()


cdef PySendResult drive(
    PyObject *awaited, PyObject *value, PyObject **result
) except PYGEN_ERROR:
    """The slot `am_send`."""
    cdef Await self = <Await>awaited
    cdef bint resumed = self.state == WAITING
    cdef PySendResult how
    if self.state == ENDED:
        raise RuntimeError("cannot reuse what was awaited already")
    self.state = ENDED
    how = self.transmit(resumed, result) if self.kind == SEND else self.receive(resumed, result)
    if how == PYGEN_NEXT:
        self.state = WAITING
    elif result[0] is NULL:
        # `raise` would build a traceback for each connection's end.
        PyErr_SetNone(StopAsyncIteration)
        return PYGEN_ERROR
    return how


cdef PyObject *iterate(PyObject *awaited) except? NULL:
    """The slot `tp_iternext`, which Python 3.12 and 3.13 prefer."""
    cdef PyObject *result
    cdef PySendResult how = (<quietfunc>drive)(awaited, <PyObject *>None, &result)
    if how != PYGEN_RETURN:
        return result if how == PYGEN_NEXT else NULL
    answer = <object>result
    Py_DECREF(answer)
    if answer is not None:
        stop_with(answer)
    return NULL


# To make an exception and to free it costs as much as a coroutine: one is enough for all threads.
# While one of them has it raised, its reference count tells, and another thread makes a new one.
# Counts tell nothing without the GIL. There (ONE_STOP is 0) each result has an exception of its
# own.
cdef object stop = StopIteration()


cdef int stop_with(Frame frame) except -1:
    """Raise StopIteration, without the traceback that `raise` would give it."""
    if not ONE_STOP or PyBytes_GET_SIZE(frame._payload) > KEPT:
        PyErr_SetObject(StopIteration, frame)
        return 0
    forget()
    Py_INCREF(frame)
    (<PyStopIterationObject *>stop).value = <PyObject *>frame
    Py_INCREF(StopIteration)
    Py_INCREF(stop)
    PyErr_Restore(<PyObject *>StopIteration, <PyObject *>stop, NULL)
    return 0


cdef forget():
    """Let go the frame that was the last result."""
    global stop
    if not ONE_STOP:
        return
    cdef PyStopIterationObject *last = <PyStopIterationObject *>stop
    cdef PyObject *frame = last.value
    if refcount(<PyObject *>stop) > 1 or last.traceback is not NULL or last.context is not NULL:
        # Who drives an await by hand has caught it: it may be held, and holds where it was.
        stop = StopIteration()
        return
    last.value = NULL
    Py_XDECREF(frame)


cdef PySendResult give(object value, PySendResult how, PyObject **result) noexcept:
    Py_INCREF(value)
    result[0] = <PyObject *>value
    return how


cdef class Awaiting:
    def __init__(self, Receiver receiver, Sender sender):
        self._receiver = receiver
        self._sender = sender

    # Bound functions have a signature and may be marked. They are no slower.
    @cython.binding(True)
    def receive(self) -> Frame:
        """Wait for the next frame, whatever it is.

        Raises EndOfStream after the peer's Close or the end of its stream, ProtocolError where
        the peer broke a rule (nothing is sent about it), RuntimeError if another task is
        receiving. Safe to cancel: no frame is lost.
        """
        cdef Await awaited = Await.__new__(Await)
        awaited.session = self
        awaited.kind = RECEIVE
        return awaited

    def __aiter__(self):
        return self

    def __anext__(self):
        cdef Await awaited = Await.__new__(Await)
        awaited.session = self
        return awaited

    @cython.binding(True)
    def send(self, frame: Frame) -> None:
        """Send a frame, then wait as `drain` does while too much waits to leave.

        A send that need not wait never gives way to other tasks (over TLS, once in a mebibyte).
        Raises SessionClosed after a Close was sent, after `write_eof`, and once the connection is
        lost or closing, its event loop closed or its process forked; RuntimeError in another
        thread than the loop's.
        """
        cdef Await awaited = Await.__new__(Await)
        awaited.session = self
        awaited.kind = SEND
        awaited.item = frame
        return awaited

    @cython.binding(True)
    def send_nowait(self, frame: Frame) -> None:
        """Send a frame without ever waiting. The caller bounds what it lets pile up."""
        self._sender.send(frame)


def mark_awaitable(function):
    """Have `inspect` and `asyncio` take a function for a coroutine function, as its twin is."""
    if hasattr(inspect, "markcoroutinefunction"):
        # Python 3.12 and later.
        inspect.markcoroutinefunction(function)
        return
    try:
        function._is_coroutine = asyncio.coroutines._is_coroutine
    except AttributeError:
        # Cython has the mark of its own coroutine functions there, to be read only.
        mark_for_asyncio(function)


mark_awaitable(Awaiting.receive)
mark_awaitable(Awaiting.send)


def iterate_directly(kind):
    cdef PyAsyncMethods *slots = (<PyTypeObject *>kind).tp_as_async
    slots.am_anext = (<PyTypeObject *>Awaiting).tp_as_async.am_anext
    return kind


(<PyTypeObject *>Await).tp_as_async.am_send = drive
(<PyTypeObject *>Await).tp_iternext = iterate
