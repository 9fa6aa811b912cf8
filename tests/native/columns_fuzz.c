/* Compares columns.c (bits, dictionary ids, values) with a row-by-row implementation. */
#include "harness.h"

static void bits(void) {
    int64_t n = between(0, 200);
    uint8_t *bits = some_bytes((n + 7) / 8), *nulls = NEW(uint8_t, n), *booleans = NEW(uint8_t, n);
    int64_t count = SHIM(unpackValidity)(env, NULL, HERE(bits), n, HERE(nulls)), expected = 0;
    SHIM(unpackBooleans)(env, NULL, HERE(bits), n, HERE(booleans));
    for (int64_t i = 0; i < n; i++) {
        bool set = bits[i / 8] >> i % 8 & 1;
        expected += !set;
        CHECK(nulls[i] == !set && booleans[i] == set);
    }
    CHECK(count == expected && SHIM(countNulls)(env, NULL, HERE(nulls), n) == expected);
}

static void ids(void) {
    static const int widths[] = {1, 2, 4, 8, 16};
    int width = widths[between(0, 4)];
    int64_t n = between(0, 100), entries = between(1, 50), largest = -1;
    uint8_t *table = some_bytes(entries * width), *nulls = some_nulls(n), *out = NEW(uint8_t, n * width);
    int32_t *id = NEW(int32_t, n);
    for (int64_t i = 0; i < n; i++) {
        bool far = one_in(200) || null_at(nulls, i); /* ids of NULL rows are garbage */
        id[i] = far ? (int32_t)next_random() : (int32_t)between(0, entries - 1);
        if (!null_at(nulls, i) && (uint32_t)id[i] > largest) largest = (uint32_t)id[i];
    }
    int64_t found = SHIM(maxId)(env, NULL, HERE(id), HERE(nulls), n);
    CHECK(found == largest);
    if (found >= entries) return; /* the caller throws */
    SHIM(gather)(env, NULL, width, HERE(table), HERE(id), HERE(nulls), n, HERE(out));
    static const uint8_t zeros[16];
    for (int64_t i = 0; i < n; i++)
        CHECK(!memcmp(out + i * width, null_at(nulls, i) ? zeros : table + id[i] * width, (size_t)width));
}

static void copies(void) {
    static const int widths[] = {1, 2, 4, 8};
    int width = widths[between(0, 3)];
    int64_t n = between(0, 60), value = (int64_t)next_random();
    uint8_t *out = NEW(uint8_t, n * width);
    SHIM(fill)(env, NULL, width, value, n, HERE(out));
    for (int64_t i = 0; i < n; i++) CHECK(!memcmp(out + i * width, &value, (size_t)width));
    int before = thrown;
    SHIM(fill)(env, NULL, 3, value, n, HERE(out));
    SHIM(gather)(env, NULL, 5, 0, 0, 0, n, HERE(out));
    CHECK(thrown == before + 2);
}

void fuzz_columns(void) {
    bits();
    ids();
    copies();
}
