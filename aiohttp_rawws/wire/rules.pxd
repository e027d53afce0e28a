import cython

cdef unsigned int UNMASKED, MASKED, RESERVED_BITS, RESERVED_OPCODE, FRAGMENTED_CONTROL
cdef unsigned int LONG_CONTROL, UNEXPECTED_CONTINUATION, EXPECTED_CONTINUATION, LENGTH_ENCODING
cdef unsigned int CLOSE_PAYLOAD, AFTER_CLOSE, LENGTH_64
cdef Py_ssize_t MAX_CONTROL_PAYLOAD


@cython.final
cdef class Rules:
    cdef readonly bint is_client
    cdef readonly bint extended
    cdef readonly unsigned int reject
    cdef readonly unsigned char mask_bit
    cdef readonly tuple sound

    @cython.locals(violations="unsigned int")
    cdef unsigned int judge(
        self, unsigned char head, unsigned char second, bint fragmented, bint after_close
    ) noexcept


@cython.locals(violations="unsigned int")
cpdef unsigned int judge(
    unsigned char head, unsigned char second, bint is_client, bint fragmented, bint extended
) noexcept

cpdef unsigned int judge_length(unsigned char form, long long length) noexcept

cpdef unsigned int judge_close(bytes payload)

cpdef bint size_limited(unsigned char head, long long length, bint pieces, bint forwarding) noexcept
