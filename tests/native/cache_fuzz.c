/* Fuzzes a small, always full row cache: a hit must return the values stored for an equal row. */
#include "harness.h"

enum { BATCHES = 6 };

/* The outputs of a row: a number and a string, as a function of its inputs. */
static int64_t answer_of(int64_t number, View text) {
    uint64_t sum = (uint64_t)number * 31 + (uint64_t)text.length;
    for (int64_t i = 0; i < text.length; i++) sum = sum * 33 + AT(uint8_t, text.address)[i];
    return (int64_t)sum;
}

static View text_of(int64_t answer, uint8_t *room) {
    int64_t length = (int64_t)((uint64_t)answer % 9);
    for (int64_t i = 0; i < length; i++) room[i] = (uint8_t)(answer >> (8 * i % 64));
    return (View){HERE(room), length};
}

static void one_batch(uint8_t *cache, const uint8_t *vocabulary) {
    int64_t n = between(1, 24), slots = 64;
    int64_t *number = NEW(int64_t, n), *result = NEW(int64_t, n);
    uint8_t *number_null = NEW(uint8_t, n), *text_null = NEW(uint8_t, n), *result_null = NEW(uint8_t, n), *made_null = NEW(uint8_t, n);
    View *text = NEW(View, n), *made = NEW(View, n);
    for (int64_t i = 0; i < n; i++) {
        number[i] = between(0, 3);
        number_null[i] = one_in(6);
        int64_t start = between(0, 40);
        text_null[i] = one_in(6);
        text[i] = text_null[i] ? (View){0, 0} : (View){HERE(vocabulary + start), between(0, 24)};
    }
    jlong ins[] = {HERE(number), HERE(number_null), 8, HERE(text), HERE(text_null), 16};
    jlong outs[] = {HERE(result), HERE(result_null), 8, HERE(made), HERE(made_null), 16};
    int32_t *id = NEW(int32_t, n), *miss = NEW(int32_t, n), *table = NEW(int32_t, slots);
    uint64_t *hash = NEW(uint64_t, n);
    int64_t room = between(0, 200);
    uint8_t *texts = NEW(uint8_t, room);
    int64_t *cursor = NEW(int64_t, 2);
    cursor[0] = HERE(texts), cursor[1] = HERE(texts) + room;
    int64_t missed = SHIM(cacheFind)(env, NULL, HERE(cache), array_of(ins, 6), array_of(outs, 6), n, HERE(id), HERE(miss), HERE(hash),
                                     HERE(table), slots, HERE(cursor));
    CHECK(missed <= n && cursor[0] <= cursor[1]);
    uint8_t *rooms = NEW(uint8_t, 9 * n), *flags = one_in(2) ? NULL : NEW(uint8_t, n);
    for (int64_t i = 0; i < missed; i++) { /* as the kernel does */
        int64_t row = miss[i];
        int64_t answer = answer_of(number_null[row] ? 7 : number[row], text[row]);
        result_null[i] = made_null[i] = answer % 5 == 0;
        result[i] = result_null[i] ? 0 : answer;
        made[i] = made_null[i] ? (View){0, 0} : text_of(answer, rooms + 9 * i);
        if (flags != NULL) flags[i] = one_in(4);
    }
    SHIM(cacheKeep)(env, NULL, HERE(cache), array_of(ins, 6), array_of(outs, 6), HERE(flags), missed, HERE(miss), HERE(hash));
    for (int64_t row = 0; row < n; row++) {
        int64_t at = id[row], answer = answer_of(number_null[row] ? 7 : number[row], text[row]);
        uint8_t expected[9];
        View wanted = text_of(answer, expected);
        CHECK(at >= 0 && at < n && result_null[at] == (answer % 5 == 0) && made_null[at] == result_null[at]);
        if (result_null[at]) continue;
        CHECK(result[at] == answer && made[at].length == wanted.length);
        if (wanted.length > 0) CHECK(!memcmp(AT(void, made[at].address), expected, (size_t)wanted.length));
    }
}

void fuzz_cache(void) {
    int64_t bytes = between(1500, 6000) & ~INT64_C(7);
    uint8_t *cache = NEW(uint8_t, bytes), *vocabulary = some_bytes(64);
    SHIM(cacheOpen)(env, NULL, HERE(cache), bytes, (jlong)next_random());
    for (int batch = 0; batch < BATCHES; batch++) one_batch(cache, vocabulary);
}
