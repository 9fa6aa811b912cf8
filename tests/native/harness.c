/* Runs the shim's functions on random columns, well-formed and malformed, and compares them with naive implementations. */
#include "harness.h"

static uint64_t state;
static void *held[512];
static int holds;
const char *family = "";
uint64_t seed_of_case;
int thrown;

uint64_t next_random(void) { /* splitmix64 */
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t between(int64_t least, int64_t most) { return least + (int64_t)(next_random() % (uint64_t)(most - least + 1)); }

bool one_in(int64_t n) { return between(1, n) == 1; }

void *memory(size_t bytes) {
    if (holds == sizeof held / sizeof *held) abort();
    return held[holds++] = calloc(1, bytes > 0 ? bytes : 1);
}

void end_case(void) {
    while (holds > 0) free(held[--holds]);
}

uint8_t *some_nulls(int64_t n) {
    if (one_in(3)) return NULL;
    int64_t rarity = one_in(8) ? 1 : between(1, 10);
    uint8_t *nulls = NEW(uint8_t, n);
    for (int64_t i = 0; i < n; i++) nulls[i] = one_in(rarity);
    return nulls;
}

uint8_t *some_bytes(int64_t n) {
    uint8_t *bytes = NEW(uint8_t, n);
    for (int64_t i = 0; i < n; i++) bytes[i] = (uint8_t)next_random();
    return bytes;
}

/* ---- JVM functions that the shim calls --------------------------------------------------------------------------- */

jlongArray array_of(jlong *words, int64_t length) {
    Words *array = memory(sizeof *array);
    *array = (Words){(jsize)length, words};
    return (jlongArray)array;
}

static jsize length_of(JNIEnv *e, jarray array) {
    (void)e;
    return ((Words *)array)->length;
}

static void get_region(JNIEnv *e, jlongArray array, jsize start, jsize length, jlong *to) {
    (void)e;
    Words *words = (Words *)array;
    if (start < 0 || length < 0 || length > words->length - start) abort();
    if (length > 0) memcpy(to, words->words + start, (size_t)length * sizeof *to);
}

static void set_region(JNIEnv *e, jlongArray array, jsize start, jsize length, const jlong *from) {
    (void)e;
    Words *words = (Words *)array;
    if (start < 0 || length < 0 || length > words->length - start) abort();
    if (length > 0) memcpy(words->words + start, from, (size_t)length * sizeof *from);
}

static jclass find_class(JNIEnv *e, const char *name) {
    (void)e;
    return (jclass)(intptr_t)name;
}

static jint throw_new(JNIEnv *e, jclass type, const char *message) {
    (void)e, (void)type, (void)message;
    thrown++;
    return 0;
}

static const struct JNINativeInterface_ calls = {
    .GetArrayLength = length_of,
    .GetLongArrayRegion = get_region,
    .SetLongArrayRegion = set_region,
    .FindClass = find_class,
    .ThrowNew = throw_new,
};
static JNIEnv table = &calls;
JNIEnv *const env = &table;

/* ---- the cases --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} FAMILIES[] = {
    {"columns", fuzz_columns}, {"texts", fuzz_texts}, {"lists", fuzz_lists},
    {"rows", fuzz_rows}, {"cache", fuzz_cache}, {"merging", fuzz_merging},
};

/* Reads a view beyond the end of its bytes, to test that the sanitizers are active. */
static void overrun(void) {
    int32_t *offset = NEW(int32_t, 1), *length = NEW(int32_t, 1);
    uint8_t *bytes = some_bytes(8);
    View *view = NEW(View, 1);
    *length = 9;
    SHIM(views)(env, NULL, HERE(bytes), 9, HERE(offset), HERE(length), 0, 1, HERE(view));
    uint8_t *out = NEW(uint8_t, 16);
    SHIM(copyStrings)(env, NULL, HERE(view), 0, 1, HERE(out));
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "overrun") == 0) return overrun(), 0;
    if (count != 3) return fprintf(stderr, "usage: %s SEED CASES\n", arguments[0]), 2;
    uint64_t seed = strtoull(arguments[1], NULL, 10), cases = strtoull(arguments[2], NULL, 10);
    for (size_t f = 0; f < sizeof FAMILIES / sizeof *FAMILIES; f++) {
        family = FAMILIES[f].name;
        for (uint64_t i = 0; i < cases; i++) {
            state = seed_of_case = seed * UINT64_C(1000003) + i;
            FAMILIES[f].run();
            end_case();
        }
        printf("ok %s\n", family);
    }
    return 0;
}
