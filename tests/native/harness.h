/* Shares fuzzing helpers: a JVM with arrays only, random numbers, and memory of exactly the requested size. */
#ifndef SPARKWELD_HARNESS_H
#define SPARKWELD_HARNESS_H
#include "shim_calls.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    jsize length;
    jlong *words;
} Words;

extern JNIEnv *const env;
extern int thrown; /* exceptions so far */

/* The current position of a fuzz family, for reports of differences. */
extern const char *family;
extern uint64_t seed_of_case;

#define CHECK(what)                                                                                                      \
    do {                                                                                                                 \
        if (!(what)) {                                                                                                   \
            printf("DIFFERENT %s: %s (%s:%d, case %llu)\n", family, #what, __FILE__, __LINE__, (unsigned long long)seed_of_case); \
            exit(1);                                                                                                     \
        }                                                                                                                \
    } while (0)

uint64_t next_random(void);
/* Returns a number from `least` to `most`. */
int64_t between(int64_t least, int64_t most);
bool one_in(int64_t n);

/* Returns memory with redzones of AddressSanitizer on both sides; freed at the end of the case. */
void *memory(size_t bytes);
void end_case(void);

#define NEW(type, count) ((type *)memory((size_t)(count) * sizeof(type)))
#define HERE(pointer) ((jlong)(intptr_t)(pointer))

/* Returns the null bytes of n rows, or NULL where none is NULL. */
uint8_t *some_nulls(int64_t n);
/* Returns n random bytes. */
uint8_t *some_bytes(int64_t n);
jlongArray array_of(jlong *words, int64_t length);

static inline bool null_at(const uint8_t *nulls, int64_t i) { return nulls != NULL && nulls[i] != 0; }

void fuzz_columns(void);
void fuzz_texts(void);
void fuzz_lists(void);
void fuzz_rows(void);
void fuzz_cache(void);
void fuzz_merging(void);
#endif
