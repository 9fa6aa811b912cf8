/*
 * What the native methods of the Scala object io.sparkweld.nativelib.Shim share. None of them checks addresses: the Scala
 * side owns every buffer and its length. Every failure becomes an io.sparkweld.nativelib.NativeError.
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

/* Throws NativeError(text). */
__attribute__((format(printf, 2, 3))) void throw_error(JNIEnv *env, const char *format, ...);

/* A text: where its bytes are and how many. NULL rows have the length 0. */
typedef struct {
    int64_t address;
    int64_t length;
} View;

/* A linked kernel: the addresses of its columns, the number of rows, and what it gives back. */
typedef void (*Kernel)(const int64_t *columns, int64_t n, int64_t *result);

/* out[i] = table[id[i]] for values of `width` bytes (16: texts), 0 for NULL rows; false for another width. */
bool gather_values(int width, int64_t table, const int32_t *id, const uint8_t *is_null, int64_t n, int64_t out);

/* Throws NoMemory. */
void throw_out_of_memory(JNIEnv *env);

/* Below 0 when `length` things from `start` on are not all among the `size` ones from 0 on. Start and length are int32. */
static inline int64_t outside(int64_t start, int64_t length, int64_t size) { return start | length | (size - start - length); }

/* Sum and difference of numbers of which nothing is known. */
static inline int64_t sum_of(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t difference(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

/* Below 0 unless 0 <= start <= end <= size, and the length is an int32. Start and end may be any numbers. No branch. */
static inline int64_t unordered(int64_t start, int64_t end, int64_t size) {
    int64_t length = difference(end, start); /* right when neither is below 0 */
    return start | end | length | difference(size, end) | difference(INT32_MAX, length);
}

static inline bool is_set(const uint8_t *is_null, int64_t i) { return is_null != NULL && is_null[i] != 0; }

#endif
