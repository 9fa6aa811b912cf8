/* Converts Spark's UnsafeRows to columns of the kernel's layout, and columns to UnsafeRows. */
#include "shim.h"

/* Returns the offset of a field's 8 bytes in a row: after one null bit per field, padded to 8-byte words. */
static inline int64_t slot_at(int fields, int ordinal) { return ((int64_t)fields + 63) / 64 * 8 + (int64_t)ordinal * 8; }

#define FIELD(type)                                                                            \
    do {                                                                                       \
        type *to = AT(type, out);                                                              \
        for (int64_t i = 0; i < n; i++) to[i] = *AT(type, row[i] + at);                        \
    } while (0)

static void text_field(const int64_t *row, int64_t at, const uint8_t *is_null, int64_t n, View *out) {
    for (int64_t i = 0; i < n; i++) {
        uint64_t place = *AT(uint64_t, row[i] + at); /* high half: offset in the row; low half: size */
        out[i] = is_null[i] ? (View){0, 0} : (View){row[i] + (int64_t)(place >> 32), (int64_t)(uint32_t)place};
    }
}

/*
 * rowField(rows, n, fields, ordinal, width, out, nulls): reads a field of n UnsafeRows, whose addresses are at `rows`. A row has
 * one bit per field (1 = NULL) in 8-byte words, then 8 bytes per field. Width 16: a string. Returns the number of NULLs.
 */
JNIEXPORT jlong JNICALL SHIM(rowField)(JNIEnv *env, jobject self, jlong rows, jlong n, jint fields, jint ordinal,
                                       jint width, jlong out, jlong nulls) {
    (void)self;
    const int64_t *row = AT(int64_t, rows);
    uint8_t *is_null = AT(uint8_t, nulls);
    int64_t word = ordinal / 64 * 8, at = slot_at(fields, ordinal), count = 0;
    for (int64_t i = 0; i < n; i++) {
        is_null[i] = (*AT(uint64_t, row[i] + word) >> (ordinal % 64)) & 1;
        count += is_null[i];
    }
    switch (width) {
    case 1: FIELD(uint8_t); break;
    case 2: FIELD(uint16_t); break;
    case 4: FIELD(uint32_t); break;
    case 8: FIELD(uint64_t); break;
    case 16: text_field(row, at, is_null, n, AT(View, out)); break;
    default: throw_error(env, "rowField: no values of %d bytes", (int)width);
    }
    return count;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* A column to write; form is the width of its values, or a constant below. */
typedef struct {
    int64_t values;
    int64_t nulls;  /* null bytes; 0: no NULLs */
    int64_t form;
    int64_t picked; /* int32 row numbers: output row i is row picked[i] of the column; 0: row i */
} Column;
enum { UNSCALED_INT = -4, TEXT = 16, WIDE_DECIMAL = 17 };

#define WIDE_DECIMAL_BYTES 16

static inline int64_t padded(int64_t bytes) { return (bytes + 7) & ~INT64_C(7); }

static inline int64_t source_row(const int32_t *picked, int64_t i) { return picked != NULL ? picked[i] : i; }

/*
 * sizeRows(columns, count, n, fixed, sizes): writes the int32 sizes of n rows: `fixed` bytes plus strings; returns the largest.
 */
JNIEXPORT jlong JNICALL SHIM(sizeRows)(JNIEnv *env, jobject self, jlong columns, jint count, jlong n, jlong fixed,
                                       jlong sizes) {
    (void)env, (void)self;
    const Column *column = AT(Column, columns);
    int32_t *size = AT(int32_t, sizes);
    int64_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t bytes = fixed;
        for (int c = 0; c < count; c++) {
            int64_t k = source_row(AT(int32_t, column[c].picked), i);
            if (column[c].form == TEXT && !is_set(AT(uint8_t, column[c].nulls), k))
                bytes += padded(AT(View, column[c].values)[k].length);
        }
        size[i] = (int32_t)bytes; /* may wrap: the caller checks the largest first */
        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

/* Copies n bytes and pads with zeros to a multiple of 8. Reads no byte outside the n. */
static inline void copy_padded(uint8_t *to, const uint8_t *from, int64_t n) {
    uint64_t word = 0;
    if (n >= 8) {
        int64_t whole = n & ~INT64_C(7);
        if (n <= 64)
            for (int64_t i = 0; i < whole; i += 8) memcpy(to + i, from + i, 8);
        else
            memcpy(to, from, (size_t)whole);
        if (n == whole) return;
        memcpy(&word, from + n - 8, 8); /* little endian: the last bytes are the highest */
        word >>= 8 * (8 - (n & 7));
        memcpy(to + whole, &word, 8);
        return;
    }
    if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + n - 4, 4);
        word = first | (uint64_t)last << (8 * (n - 4)); /* where both overlap, their bytes are equal */
    } else if (n > 0) {
        word = from[0] | (uint64_t)from[n / 2] << (8 * (n / 2)) | (uint64_t)from[n - 1] << (8 * (n - 1));
    } else return;
    memcpy(to, &word, 8);
}

/* Output rows of one call. Row i starts at out + starts[i]; its next string is written at offset cursors[i] of the row. */
typedef struct {
    uint8_t *out;
    const int32_t *starts;
    int32_t *cursors;
    int64_t first, rows;
} Target;

static inline uint64_t *null_word(uint8_t *row, int ordinal) { return (uint64_t *)row + ordinal / 64; }

/* The slot of a NULL is 0, and so are the bytes of a slot beyond the value's width. */
#define SLOTS(type, as)                                                                              \
    for (int64_t i = 0; i < t->rows; i++) {                                                          \
        int64_t k = source_row(picked, t->first + i);                                                \
        uint8_t *row = t->out + t->starts[i];                                                        \
        uint64_t none = is_set(is_null, k);                                                          \
        *(uint64_t *)(row + at) = (uint64_t)(as)AT(type, column->values)[k] & (none - 1);            \
        *null_word(row, ordinal) |= none << (ordinal % 64);                                          \
    }
#define SLOTS_OF(type, as)                                  \
    do {                                                    \
        if (is_null == NULL && picked == NULL) {            \
            const uint8_t *is_null = NULL;                  \
            const int32_t *picked = NULL;                   \
            SLOTS(type, as)                                 \
        } else                                              \
            SLOTS(type, as)                                 \
    } while (0)

static void write_texts(const Column *column, int fields, int ordinal, const Target *t) {
    const uint8_t *is_null = AT(uint8_t, column->nulls);
    const int32_t *picked = AT(int32_t, column->picked);
    int64_t at = slot_at(fields, ordinal);
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t k = source_row(picked, t->first + i), cursor = t->cursors[i];
        uint8_t *row = t->out + t->starts[i];
        bool none = is_set(is_null, k), wide = column->form == WIDE_DECIMAL;
        View view = none ? (View){0, 0} : AT(View, column->values)[k];
        *(uint64_t *)(row + at) = none && !wide ? 0 : (uint64_t)cursor << 32 | (uint64_t)view.length;
        *null_word(row, ordinal) |= (uint64_t)none << (ordinal % 64);
        if (wide) memset(row + cursor, 0, WIDE_DECIMAL_BYTES); /* also for a NULL, so that the row can be updated in place */
        copy_padded(row + cursor, AT(uint8_t, view.address), view.length);
        t->cursors[i] += (int32_t)(wide ? WIDE_DECIMAL_BYTES : padded(view.length));
    }
}

static void write_column(const Column *column, int fields, int ordinal, const Target *t) {
    const uint8_t *is_null = AT(uint8_t, column->nulls);
    const int32_t *picked = AT(int32_t, column->picked);
    int64_t at = slot_at(fields, ordinal);
    switch (column->form) {
    case 1: SLOTS_OF(uint8_t, uint8_t); break;
    case 2: SLOTS_OF(uint16_t, uint16_t); break;
    case 4: SLOTS_OF(uint32_t, uint32_t); break;
    case UNSCALED_INT: SLOTS_OF(int32_t, int64_t); break;
    case 8: SLOTS_OF(uint64_t, uint64_t); break;
    default: write_texts(column, fields, ordinal, t);
    }
}

/*
 * writeRows(columns, count, sizes or 0, fixed, first, n, limit, out, places): writes consecutive UnsafeRows from row `first` of
 * n, until the next would exceed `limit` bytes. Writes at least one, for which the caller provides room. Returns the number of
 * rows r. `places`: receives r + 1 int32 starts, and needs r more int32 behind them as scratch. `sizes`: from sizeRows; 0 when
 * all rows have `fixed` bytes, which include wide decimals.
 */
JNIEXPORT jlong JNICALL SHIM(writeRows)(JNIEnv *env, jobject self, jlong columns, jint count, jlong sizes, jlong fixed,
                                        jlong first, jlong n, jlong limit, jlong out, jlong places) {
    (void)env, (void)self;
    const int32_t *size = AT(int32_t, sizes);
    int32_t *starts = AT(int32_t, places);
    int64_t words = ((int64_t)count + 63) / 64, bytes = 0, rows = 0;
    for (; first + rows < n; rows++) {
        int64_t next = bytes + (size != NULL ? size[first + rows] : fixed);
        if (next > limit && rows > 0) break;
        starts[rows] = (int32_t)bytes;
        bytes = next;
    }
    starts[rows] = (int32_t)bytes;
    Target target = {AT(uint8_t, out), starts, starts + rows + 1, first, rows};
    for (int64_t i = 0; i < rows; i++) {
        memset(target.out + starts[i], 0, (size_t)(words * 8));
        target.cursors[i] = (int32_t)((words + count) * 8);
    }
    for (int c = 0; c < count; c++) write_column(AT(Column, columns) + c, count, c, &target);
    return rows;
}
