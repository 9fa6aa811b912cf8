/* Converts columns to UnsafeRows and back, in chunks, and compares every byte with a row written field by field. */
#include "harness.h"

enum { MOST_COLUMNS = 70, TEXT = 16 };

typedef struct {
    int64_t values, nulls, form, picked;
} Column;

static const int FORMS[] = {1, 2, 4, 8, TEXT};

static void some_column(Column *column, int64_t source_rows, int64_t n) {
    int form = FORMS[between(0, 4)];
    uint8_t *nulls = some_nulls(source_rows);
    int32_t *picked = one_in(2) || source_rows == 0 ? NULL : NEW(int32_t, n);
    for (int64_t i = 0; picked != NULL && i < n; i++) picked[i] = (int32_t)between(0, source_rows - 1);
    uint8_t *values = form == TEXT ? (uint8_t *)NEW(View, source_rows) : some_bytes(source_rows * form);
    for (int64_t i = 0; form == TEXT && i < source_rows; i++) {
        int64_t length = one_in(10) ? between(60, 90) : between(0, 20);
        ((View *)values)[i] = null_at(nulls, i) ? (View){0, 0} : (View){HERE(some_bytes(length)), length};
    }
    *column = (Column){HERE(values), HERE(nulls), form, HERE(picked)};
}

static void same_field(const uint8_t *row, const Column *column, int fields, int ordinal, int64_t k) {
    uint64_t word, slot = 0;
    memcpy(&word, row + ordinal / 64 * 8, 8);
    memcpy(&slot, row + (fields + 63) / 64 * 8 + ordinal * 8, 8);
    bool null = null_at(AT(uint8_t, column->nulls), k);
    CHECK((word >> ordinal % 64 & 1) == null);
    if (null) CHECK(slot == 0);
    else if (column->form == TEXT) {
        View text = AT(View, column->values)[k];
        CHECK((uint32_t)slot == text.length);
        if (text.length > 0) CHECK(!memcmp(row + (slot >> 32), AT(uint8_t, text.address), (size_t)text.length));
        for (int64_t i = text.length; i % 8 != 0; i++) CHECK(row[(slot >> 32) + (uint64_t)i] == 0);
    } else {
        uint64_t value = 0;
        memcpy(&value, AT(uint8_t, column->values) + k * column->form, (size_t)column->form);
        CHECK(slot == value);
    }
}

static void read_back(int64_t *addresses, int64_t rows, const Column *columns, int fields, int64_t first) {
    for (int c = 0; c < fields; c++) {
        int64_t width = columns[c].form, nulls = 0;
        uint8_t *values = NEW(uint8_t, rows * width), *is_null = NEW(uint8_t, rows);
        int64_t count = SHIM(rowField)(env, NULL, HERE(addresses), rows, fields, c, (jint)width, HERE(values), HERE(is_null));
        for (int64_t i = 0; i < rows; i++) {
            int64_t k = columns[c].picked != 0 ? AT(int32_t, columns[c].picked)[first + i] : first + i;
            bool null = null_at(AT(uint8_t, columns[c].nulls), k);
            CHECK(is_null[i] == null);
            nulls += null;
            if (width == TEXT) {
                View text = ((View *)values)[i], expected = null ? (View){0, 0} : AT(View, columns[c].values)[k];
                CHECK(text.length == expected.length);
                if (text.length > 0) CHECK(!memcmp(AT(void, text.address), AT(void, expected.address), (size_t)text.length));
            } else if (!null) {
                CHECK(!memcmp(values + i * width, AT(uint8_t, columns[c].values) + k * width, (size_t)width));
            }
        }
        CHECK(count == nulls);
    }
}

void fuzz_rows(void) {
    int fields = one_in(20) ? (int)between(60, MOST_COLUMNS) : (int)between(1, 5);
    int64_t n = between(1, fields > 5 ? 2 : 12);
    Column *columns = NEW(Column, fields);
    bool texts = false;
    for (int c = 0; c < fields; c++) {
        some_column(columns + c, n, n);
        texts |= columns[c].form == TEXT;
    }
    int64_t fixed = ((int64_t)fields + 63) / 64 * 8 + 8L * fields;
    int32_t *sizes = NEW(int32_t, n);
    int64_t largest = SHIM(sizeRows)(env, NULL, HERE(columns), fields, n, fixed, HERE(sizes)), expected = 0;
    for (int64_t i = 0; i < n; i++)
        if (sizes[i] > expected) expected = sizes[i];
    CHECK(largest == expected);
    int64_t limit = largest > 600 ? largest : 600;
    uint8_t *out = NEW(uint8_t, limit);
    int64_t most = limit / fixed + 2;
    int32_t *places = NEW(int32_t, 2 * (most < n + 1 ? most : n + 1));
    for (int64_t done = 0; done < n;) {
        memset(out, 0xaa, (size_t)limit);
        int64_t rows = SHIM(writeRows)(env, NULL, HERE(columns), fields, texts ? HERE(sizes) : 0, fixed, done, n, limit, HERE(out),
                                       HERE(places));
        CHECK(rows > 0);
        int64_t *addresses = NEW(int64_t, rows);
        for (int64_t i = 0; i < rows; i++) {
            CHECK(places[i + 1] - places[i] == sizes[done + i]);
            addresses[i] = HERE(out + places[i]);
            for (int c = 0; c < fields; c++)
                same_field(out + places[i], columns + c, fields, c,
                           columns[c].picked != 0 ? AT(int32_t, columns[c].picked)[done + i] : done + i);
        }
        read_back(addresses, rows, columns, fields, done);
        done += rows;
    }
}
