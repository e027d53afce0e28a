# cython: boundscheck=False, wraparound=False
"""Masking, the memory of frames, writing: the compiled twin of `native.py`, which says what for."""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE, _PyBytes_Resize,
)
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.buffer cimport PyBUF_WRITE
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from .allocator import keep_freed

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *start_of "PyBytes_AS_STRING"(PyObject *) noexcept
    int resize "_PyBytes_Resize"(PyObject **, Py_ssize_t) except -1
    int PyContext_Enter(object) except -1
    int PyContext_Exit(object) except -1
    ctypedef struct PyTypeObject:
        object (*tp_alloc)(PyTypeObject *, Py_ssize_t)

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

    #ifdef Py_GIL_DISABLED
    #define HAS_GIL 0
    #else
    #define HAS_GIL 1
    #endif
    """
    bint HAS_GIL
    struct iovec:
        void *iov_base
        size_t iov_len
    Py_ssize_t write(int fd, const void *data, size_t size)
    Py_ssize_t writev(int fd, const iovec *parts, int count)

READ_SIZE = 4 * 65483
cdef Py_ssize_t READ_AHEAD = READ_SIZE


cdef void xor(char *target, const char *source, Py_ssize_t size, const char *key) noexcept nogil:
    # Eight octets at a time, in rounds of 32; memcpy because neither side need be aligned, and
    # compilers turn it into one (vector) load or store.
    cdef uint32_t half
    cdef uint64_t pad, word
    cdef uint64_t[4] words
    cdef Py_ssize_t i = 0
    cdef int j
    memcpy(&half, key, 4)
    pad = (<uint64_t>half << 32) | half
    while i + 32 <= size:
        memcpy(words, source + i, 32)
        for j in range(4):
            words[j] ^= pad
        memcpy(target + i, words, 32)
        i += 32
    while i + 8 <= size:
        memcpy(&word, source + i, 8)
        word ^= pad
        memcpy(target + i, &word, 8)
        i += 8
    while i < size:
        target[i] = source[i] ^ key[i & 3]
        i += 1


cdef inline const char *part(bytearray data, Py_ssize_t start, Py_ssize_t end) except NULL:
    """Return where `data[start:end]` begins. IndexError unless all of it is there."""
    if data is None or not 0 <= start <= end <= PyByteArray_GET_SIZE(data):
        refuse_part(data, start, end)
    return PyByteArray_AS_STRING(data) + start


cdef int refuse_part(data, Py_ssize_t start, Py_ssize_t end) except -1:
    raise IndexError(f"there are no octets {start} to {end} in {len(data)}")


cdef inline int check_key(bytes key) except -1:
    if key is not None and PyBytes_GET_SIZE(key) != 4:
        refuse_key(key)
    return 0


cdef int refuse_key(key) except -1:
    raise ValueError(f"a masking key has 4 bytes, got {len(key)}")


cpdef bytes rotate(bytes key, Py_ssize_t offset):
    offset &= 3
    return key[offset:] + key[:offset]


cpdef bytes key_at(bytearray data, Py_ssize_t start):
    # `start + 4` may be more than a number can hold.
    return PyBytes_FromStringAndSize(part(data, start, min(start, len(data)) + 4), 4)


cpdef bytes copy_out(bytearray data, Py_ssize_t start, Py_ssize_t end, bytes key):
    cdef const char *source = part(data, start, end)
    cdef bytes copy
    if key is None:
        return PyBytes_FromStringAndSize(source, end - start)
    check_key(key)
    copy = PyBytes_FromStringAndSize(NULL, end - start)
    xor(PyBytes_AS_STRING(copy), source, end - start, PyBytes_AS_STRING(key))
    return copy


cdef int refuse_length(long long length) except -1:
    raise ValueError(f"a length is not negative, got {length}")


cdef inline Py_ssize_t header_size(long long length, bytes key) except -1:
    """Return the size of a frame's header. ValueError if there is no such frame."""
    if length < 0:
        refuse_length(length)
    check_key(key)
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
        xor(target, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), PyBytes_AS_STRING(key))


# What is gathered is soon written: a few blocks of memory go round. Where more outputs hold
# something at a time, as in a broadcast, the others have no more than they need. The GIL protects
# the blocks: where it may be off there are none.
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
        if HAS_GIL and self._capacity == 0 and capacity <= BLOCK and (spares or blocks < BLOCKS):
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
        check_key(key)
        put_payload(self._room(len(data)), data, key)

    cpdef put_some(self, bytearray data, Py_ssize_t size):
        cdef const char *source = part(data, 0, size)
        memcpy(self._room(size), source, size)

    cpdef put_header(self, unsigned char head, long long length, bytes key):
        put_header(self._room(header_size(length, key)), head, length, key)

    cpdef put_frame(self, unsigned char head, bytes payload, bytes key):
        cdef Py_ssize_t length = len(payload)
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
        cdef Py_ssize_t sent, before = self.size, size = len(payload)
        if before == 0:
            return max(write(fd, PyBytes_AS_STRING(payload), size), 0)
        parts[0].iov_base = self._memory
        parts[0].iov_len = before
        parts[1].iov_base = PyBytes_AS_STRING(payload)
        parts[1].iov_len = size
        sent = max(writev(fd, parts, 2), 0)
        self._remove(min(sent, before))
        return max(sent - before, 0)


# The GIL is kept: the socket does not block, and giving it up costs as much as the call.
cpdef Py_ssize_t write_some(int fd, bytearray data, Py_ssize_t size) except -1:
    return max(write(fd, part(data, 0, size), size), 0)


cpdef run_in(context, callback, argument):
    PyContext_Enter(context)
    try:
        callback(argument)
    finally:
        PyContext_Exit(context)


cpdef new_tuple(type kind, tuple items):
    if not issubclass(kind, tuple):
        raise TypeError(f"{kind.__name__} is not a class of tuples")
    cdef PyTypeObject *slots = <PyTypeObject *>kind
    made = slots.tp_alloc(slots, len(items))
    for i, item in enumerate(items):
        Py_INCREF(item)
        PyTuple_SET_ITEM(made, i, item)
    return made


@cython.final
cdef class ReadBuffer:
    def __init__(self):
        self.data = bytearray(READ_SIZE)
        self.view = memoryview(self.data)


# The allocator keeps the memory of freed payloads up to this size. If two threads raise it at a
# time, no harm is done.
cdef Py_ssize_t kept = READ_SIZE


cdef class Payload:
    # The memory is the bytes object that `take` will hand over, so that a payload of any size is
    # never copied. Nobody else sees the object before that: growing and writing it is allowed.

    def __cinit__(self, long long length, bytes key):
        header_size(length, key)
        self.missing = length
        self._key = key

    def __dealloc__(self):
        Py_XDECREF(self._memory)

    cpdef append(self, bytearray data, Py_ssize_t start, Py_ssize_t end):
        cdef const char *source = part(data, start, end)
        cdef Py_ssize_t size = end - start
        self._check(size, self.missing)
        if size == 0:
            # There may be no memory yet.
            return
        if self._capacity - self.filled < size:
            self._reserve(self.filled + size)
        memcpy(start_of(self._memory) + self.filled, source, size)
        self._note(size)

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
        self._check(count, self._capacity - self.filled)
        self._note(count)

    cdef int _check(self, Py_ssize_t count, long long room) except -1:
        if not 0 <= count <= room:
            raise ValueError(f"there is room for {room} more octets, got {count}")
        return 0

    cdef int _reserve(self, Py_ssize_t capacity) except -1:
        cdef Py_ssize_t filled
        if self._memory is NULL:
            self._memory = new_bytes(NULL, capacity)
        else:
            # A failing resize frees the memory, and what has arrived with it.
            filled = self.filled
            self._capacity = self.filled = 0
            resize(&self._memory, capacity)
            self.filled = filled
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
        global kept
        cdef bytes payload
        if self._memory is NULL:
            return b""
        if self._capacity != self.filled:
            self._reserve(self.filled)
        if self.filled > kept:
            kept = keep_freed(self.filled)
        payload = <bytes>self._memory
        Py_XDECREF(self._memory)
        self._memory = NULL
        self._capacity = self.filled = 0
        return payload
