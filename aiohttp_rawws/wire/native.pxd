from cpython.object cimport PyObject

cpdef bytes rotate(bytes key, Py_ssize_t offset)

cpdef bytes key_at(bytearray data, Py_ssize_t start)

cpdef bytes copy_out(bytearray data, Py_ssize_t start, Py_ssize_t end, bytes key)

cpdef Py_ssize_t write_some(int fd, bytearray data, Py_ssize_t size) except -1

cpdef run_in(context, callback, argument)

cpdef new_tuple(type kind, tuple items)


cdef class Output:
    cdef char *_memory
    cdef Py_ssize_t _capacity
    cdef readonly Py_ssize_t size

    cdef char *_room(self, Py_ssize_t size) except NULL
    cdef int _reserve(self, Py_ssize_t capacity) except -1
    cdef int _remove(self, Py_ssize_t count) except -1
    cpdef clear(self)
    cpdef put(self, bytes data, bytes key)
    cpdef put_some(self, bytearray data, Py_ssize_t size)
    cpdef put_header(self, unsigned char head, long long length, bytes key)
    cpdef put_frame(self, unsigned char head, bytes payload, bytes key)
    cpdef bytes take(self)
    cpdef bint write(self, int fd) except -1
    cpdef Py_ssize_t write_with(self, int fd, bytes payload) except -1


cdef class ReadBuffer:
    cdef readonly bytearray data
    cdef readonly object view


cdef class Payload:
    cdef PyObject *_memory
    cdef Py_ssize_t _arrived
    cdef Py_ssize_t _capacity
    cdef bytes _key
    cdef readonly Py_ssize_t filled
    cdef readonly long long missing

    cpdef append(self, bytearray data, Py_ssize_t start, Py_ssize_t end)
    cpdef view(self)
    cpdef wrote(self, Py_ssize_t count)
    cpdef bytes take(self)
    cdef int _reserve(self, Py_ssize_t capacity) except -1
    cdef int _check(self, Py_ssize_t count, long long room) except -1
    cdef int _note(self, Py_ssize_t count) except -1
