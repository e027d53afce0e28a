# cython: language_level=3, boundscheck=False, wraparound=False
"""Masking, the memory of frames, writing: the compiled twin of `mask.py`, which says what for."""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE, _PyBytes_Resize,
)
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.buffer cimport PyBUF_WRITE
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *start_of "PyBytes_AS_STRING"(PyObject *) noexcept
    int resize "_PyBytes_Resize"(PyObject **, Py_ssize_t) except -1
    int PyContext_Enter(object) except -1
    int PyContext_Exit(object) except -1

cdef extern from *:
    """
    #ifdef _WIN32
    /* Never called: there all writes go through the transport. */
    struct iovec { void *iov_base; size_t iov_len; };
    #define write(fd, data, size) (-1)
    #define writev(fd, parts, count) (-1)
    #else
    #include <sys/uio.h>
    #include <unistd.h>
    #endif
    """
    struct iovec:
        void *iov_base
        size_t iov_len
    Py_ssize_t write(int fd, const void *data, size_t size)
    Py_ssize_t writev(int fd, const iovec *parts, int count)

READ_SIZE = 256 * 1024
cdef Py_ssize_t READ_AHEAD = READ_SIZE


cdef void xor(char *target, const char *source, Py_ssize_t size, const char *key) noexcept nogil:
    # Eight octets at a time; memcpy because neither side need be aligned, and compilers turn
    # it into one (vector) load or store.
    cdef uint32_t half
    cdef uint64_t pad, word
    cdef Py_ssize_t i = 0
    memcpy(&half, key, 4)
    pad = (<uint64_t>half << 32) | half
    while i + 8 <= size:
        memcpy(&word, source + i, 8)
        word ^= pad
        memcpy(target + i, &word, 8)
        i += 8
    while i < size:
        target[i] = source[i] ^ key[i & 3]
        i += 1


cpdef bytes rotate(bytes key, Py_ssize_t offset):
    offset &= 3
    return key[offset:] + key[:offset]


cpdef bytes key_at(bytearray data, Py_ssize_t start):
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(data) + start, 4)


cpdef bytes copy_out(bytearray data, Py_ssize_t start, Py_ssize_t end, bytes key):
    cdef const char *source = PyByteArray_AS_STRING(data) + start
    cdef bytes copy
    if key is None:
        return PyBytes_FromStringAndSize(source, end - start)
    copy = PyBytes_FromStringAndSize(NULL, end - start)
    xor(PyBytes_AS_STRING(copy), source, end - start, PyBytes_AS_STRING(key))
    return copy


cdef Py_ssize_t header_size(long long length, bytes key) noexcept:
    return (2 if length <= 125 else 4 if length <= 0xFFFF else 10) + (0 if key is None else 4)


cdef void put_header(char *target, unsigned char head, long long length, bytes key) noexcept:
    cdef unsigned char *octets = <unsigned char *>target
    cdef unsigned char masked = 0 if key is None else 0x80
    cdef int size = 0, i
    octets[0] = head
    if length <= 125:
        octets[1] = masked | <unsigned char>length
    else:
        octets[1] = masked | (126 if length <= 0xFFFF else 127)
        size = 2 if length <= 0xFFFF else 8
        for i in range(size):
            octets[2 + i] = (length >> (8 * (size - 1 - i))) & 0xFF
    if key is not None:
        memcpy(target + 2 + size, PyBytes_AS_STRING(key), 4)


cdef void put_payload(char *target, bytes payload, bytes key) noexcept:
    if key is None:
        memcpy(target, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
    else:
        xor(
            target,
            PyBytes_AS_STRING(payload),
            PyBytes_GET_SIZE(payload),
            PyBytes_AS_STRING(key),
        )


# What is gathered is soon written: a few blocks of memory go round. Where more outputs hold
# something at a time, as in a broadcast, the others have no more than they need.
cdef enum:
    BLOCK = 96 * 1024
    BLOCKS = 4
cdef char *spare[BLOCKS]
cdef int spares = 0
cdef int blocks = 0


cdef char *resized(char *memory, Py_ssize_t capacity) except NULL:
    memory = <char *>PyMem_Realloc(memory, capacity)
    if memory is NULL:
        raise MemoryError
    return memory


@cython.final
cdef class Output:
    def __dealloc__(self):
        self.clear()

    def __len__(self):
        return self.size

    def __bytes__(self):
        return PyBytes_FromStringAndSize(self._memory, self.size)

    cdef char *_room(self, Py_ssize_t size) except NULL:
        """Make room for `size` more octets, and say where it is."""
        # One more than that: there is memory even for nothing.
        if self._capacity - self.size <= size:
            self._reserve(self.size + size + 1)
        self.size += size
        return self._memory + self.size - size

    cdef int _reserve(self, Py_ssize_t capacity) except -1:
        global spares, blocks
        if self._capacity == 0 and capacity <= BLOCK and (spares > 0 or blocks < BLOCKS):
            if spares == 0:
                spare[0] = resized(NULL, BLOCK)
                blocks += 1
                spares = 1
            spares -= 1
            self._memory = spare[spares]
            self._capacity = BLOCK
            return 0
        capacity = max(capacity, 2 * self._capacity)
        if capacity == BLOCK:
            # That is how a block is known.
            capacity += 1
        self._memory = resized(self._memory, capacity)
        if self._capacity == BLOCK:
            blocks -= 1
        self._capacity = capacity
        return 0

    cpdef clear(self):
        global spares
        if self._capacity == BLOCK:
            spare[spares] = self._memory
            spares += 1
        else:
            PyMem_Free(self._memory)
        self._memory = NULL
        self._capacity = self.size = 0

    cdef int _remove(self, Py_ssize_t count) except -1:
        """Remove the first octets."""
        if count == self.size:
            self.clear()
        else:
            self.size -= count
            memmove(self._memory, self._memory + count, self.size)
        return 0

    cpdef put(self, bytes data, bytes key):
        put_payload(self._room(PyBytes_GET_SIZE(data)), data, key)

    cpdef put_some(self, bytearray data, Py_ssize_t size):
        memcpy(self._room(size), PyByteArray_AS_STRING(data), size)

    cpdef put_header(self, unsigned char head, long long length, bytes key):
        put_header(self._room(header_size(length, key)), head, length, key)

    cpdef put_frame(self, unsigned char head, bytes payload, bytes key):
        cdef Py_ssize_t length = PyBytes_GET_SIZE(payload)
        cdef Py_ssize_t size = header_size(length, key)
        cdef char *target = self._room(size + length)
        put_header(target, head, length, key)
        put_payload(target + size, payload, key)

    cpdef bytes take(self):
        cdef bytes data = PyBytes_FromStringAndSize(self._memory, self.size)
        self.clear()
        return data

    cpdef bint write(self, int fd) except -1:
        self._remove(max(write(fd, self._memory, self.size), 0))
        return self.size == 0

    cpdef Py_ssize_t write_with(self, int fd, bytes payload) except -1:
        cdef iovec parts[2]
        cdef Py_ssize_t sent, before = self.size
        if before == 0:
            return max(write(fd, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload)), 0)
        parts[0].iov_base = self._memory
        parts[0].iov_len = before
        parts[1].iov_base = PyBytes_AS_STRING(payload)
        parts[1].iov_len = PyBytes_GET_SIZE(payload)
        sent = max(writev(fd, parts, 2), 0)
        self._remove(min(sent, before))
        return max(sent - before, 0)


# The GIL is kept: the socket does not block, and giving it up costs as much as the call.
cpdef Py_ssize_t write_some(int fd, bytearray data, Py_ssize_t size) except -1:
    return max(write(fd, PyByteArray_AS_STRING(data), size), 0)


cpdef run_in(context, callback, argument):
    PyContext_Enter(context)
    try:
        callback(argument)
    finally:
        PyContext_Exit(context)


cdef class Payload:
    # The memory is the bytes object that `take` will hand over, so that a payload of any size is
    # never copied. Nobody else sees the object before that: growing and writing it is allowed.

    def __cinit__(self, long long length, bytes key):
        self.missing = length
        self._key = key

    def __dealloc__(self):
        Py_XDECREF(self._memory)

    cpdef append(self, bytearray data, Py_ssize_t start, Py_ssize_t end):
        if start == end:
            # There may be no memory yet.
            return
        if self._capacity - self.filled < end - start:
            self._reserve(self.filled + end - start)
        memcpy(
            start_of(self._memory) + self.filled, PyByteArray_AS_STRING(data) + start, end - start
        )
        self._note(end - start)

    cpdef view(self):
        cdef long long room
        if self.filled == self._capacity:
            # Growing may copy: by as much as is there, so that each octet is copied once or so.
            room = max(self.filled, min(self._arrived, READ_AHEAD), 4096)
            self._reserve(self.filled + <Py_ssize_t>min(self.missing, room))
        return PyMemoryView_FromMemory(
            start_of(self._memory) + self.filled,
            min(self._capacity - self.filled, READ_AHEAD),
            PyBUF_WRITE,
        )

    cpdef wrote(self, Py_ssize_t count):
        self._note(count)

    cdef int _reserve(self, Py_ssize_t capacity) except -1:
        if self._memory is NULL:
            self._memory = new_bytes(NULL, capacity)
        else:
            self._capacity = 0  # a failing resize frees the memory
            resize(&self._memory, capacity)
        self._capacity = capacity

    cdef int _note(self, Py_ssize_t count) except -1:
        cdef char *start
        if self._key is not None:
            start = start_of(self._memory) + self.filled
            xor(start, start, count, PyBytes_AS_STRING(self._key))
            self._key = rotate(self._key, count)
        self.filled += count
        self.missing -= count
        self._arrived += count

    cpdef bytes take(self):
        cdef bytes payload
        if self._memory is NULL:
            return b""
        if self._capacity != self.filled:
            self._reserve(self.filled)
        payload = <bytes>self._memory
        Py_XDECREF(self._memory)
        self._memory = NULL
        self._capacity = self.filled = 0
        return payload
