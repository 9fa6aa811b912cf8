/*
 * Declares the helpers shared by the native methods of the Scala object io.sparkweld.nativelib.Shim.
 *
 * No method checks addresses: the Scala side owns every buffer and its length. Failures throw io.sparkweld.nativelib.NativeError,
 * or NoMemory.
 */
#ifndef SPARKWELD_SHIM_H
#define SPARKWELD_SHIM_H
#include <jni.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SHIM(name) Java_io_sparkweld_nativelib_Shim_00024_##name
#define AT(type, address) ((type *)(intptr_t)(address))

/* Throws NativeError with the formatted message. */
__attribute__((format(printf, 2, 3))) void throw_error(JNIEnv *env, const char *format, ...);

/* A string: the address and number of its bytes. NULL rows have length 0. */
typedef struct {
    int64_t address;
    int64_t length;
} View;

/* A linked kernel: takes the addresses of its columns and the number of rows, and writes its counts to `result`. */
typedef void (*Kernel)(const int64_t *columns, int64_t n, int64_t *result);

/* Sets out[i] = table[id[i]] for values of `width` bytes (16: views), 0 for NULL rows; false for an unsupported width. */
bool gather_values(int width, int64_t table, const int32_t *id, const uint8_t *is_null, int64_t n, int64_t out);

/* Throws NoMemory. */
void throw_out_of_memory(JNIEnv *env);

/* Negative unless elements [start, start + length) lie within [0, size). Both are int32 values, so nothing overflows. */
static inline int64_t outside(int64_t start, int64_t length, int64_t size) { return start | length | (size - start - length); }

/* Wrapping sum and difference of unchecked numbers; overflow of signed operands would be undefined. */
static inline int64_t sum_of(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t difference(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

/* Negative unless 0 <= start <= end <= size and the length fits an int32. Start and end may be any numbers. Branchless. */
static inline int64_t unordered(int64_t start, int64_t end, int64_t size) {
    int64_t length = difference(end, start); /* exact when neither is negative */
    return start | end | length | difference(size, end) | difference(INT32_MAX, length);
}

static inline bool is_set(const uint8_t *is_null, int64_t i) { return is_null != NULL && is_null[i] != 0; }

#endif
