/*
 * Caches a kernel's outputs by input row, in a table of bounded size that one task uses at a time.
 *
 * Entries form a ring, with the oldest at the tail. When the ring is full, the oldest entry is evicted; an entry that was found
 * since it was written gets a second chance and moves to the head. This is CLOCK (Corbato, "A paging experiment with the Multics
 * system", 1969) over bytes. Keys are compared byte by byte, so equal hashes never suffice.
 *
 * Layout of an entry: its header, the input row (the key), and the output row. Layout of a row: a null byte per column, and
 * unless it is NULL the value, or a string's length (8 bytes) and bytes.
 */
#include "shim.h"

enum { COLD, FOUND, FILLER };
enum { COLUMN_WORDS = 3, MOST_COLUMNS = 64 };

/* Addresses of a column's values and null bytes, and the width of a value in bytes. Width 16: string views. */
typedef struct {
    int64_t data, nulls, width;
} Column;
typedef struct {
    uint64_t slots, ring, seed; /* slots: a power of two; ring: size in bytes */
    uint64_t head, tail, used, entries;
} Cache;
typedef struct {
    uint32_t size, state;
    uint64_t hash;
} Entry;

/* A slot: 0 when empty; otherwise the entry's offset in the ring plus 1 in the low 48 bits, and the hash's high bits above. */
#define PLACE_BITS 48
#define PLACE(slot) (((slot) & ((UINT64_C(1) << PLACE_BITS) - 1)) - 1)
#define SLOT(place, hash) (((place) + 1) | ((hash) >> PLACE_BITS << PLACE_BITS))

static inline uint64_t *slots_of(Cache *c) { return (uint64_t *)(c + 1); }
static inline Entry *entry_at(Cache *c, uint64_t place) { return (Entry *)((uint8_t *)(slots_of(c) + c->slots) + place); }

static inline uint64_t load(const uint8_t *bytes, int64_t n) {
    uint64_t word = 0;
    memcpy(&word, bytes, (size_t)n);
    return word;
}

static inline uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xd6e8feb86659fd93));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_row(const Column *inputs, int count, int64_t row, uint64_t seed) {
    uint64_t hash = seed;
    for (int k = 0; k < count; k++) {
        if (AT(uint8_t, inputs[k].nulls)[row]) {
            hash = mix(hash, 1);
        } else if (inputs[k].width == sizeof(View)) {
            View text = AT(View, inputs[k].data)[row];
            const uint8_t *bytes = AT(uint8_t, text.address);
            int64_t i = 0;
            for (; i + 16 <= text.length; i += 16) hash = mix(hash ^ load(bytes + i, 8), load(bytes + i + 8, 8));
            if (i + 8 <= text.length) hash = mix(hash, load(bytes + i, 8)), i += 8;
            hash = mix(hash ^ load(bytes + i, text.length - i), (uint64_t)text.length << 8);
        } else {
            hash = mix(hash, load(AT(uint8_t, inputs[k].data) + row * inputs[k].width, inputs[k].width));
        }
    }
    return hash;
}

static bool equal_rows(const Column *inputs, int count, int64_t a, int64_t b) {
    for (int k = 0; k < count; k++) {
        const uint8_t *nulls = AT(uint8_t, inputs[k].nulls);
        if ((nulls[a] != 0) != (nulls[b] != 0)) return false;
        if (nulls[a]) continue;
        int64_t width = inputs[k].width;
        if (width == sizeof(View)) {
            View one = AT(View, inputs[k].data)[a], other = AT(View, inputs[k].data)[b];
            if (one.length != other.length) return false;
            if (one.address != other.address && one.length &&
                memcmp(AT(void, one.address), AT(void, other.address), (size_t)one.length)) return false;
        } else if (memcmp(AT(uint8_t, inputs[k].data) + a * width, AT(uint8_t, inputs[k].data) + b * width, (size_t)width)) {
            return false;
        }
    }
    return true;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static uint64_t row_size(const Column *columns, int count, int64_t row) {
    uint64_t size = 0;
    for (int k = 0; k < count; k++) {
        size++;
        if (AT(uint8_t, columns[k].nulls)[row]) continue;
        bool text = columns[k].width == sizeof(View);
        size += text ? 8 + (uint64_t)AT(View, columns[k].data)[row].length : (uint64_t)columns[k].width;
    }
    return size;
}

/* Writes a row at `out`; returns the end of the row. */
static uint8_t *write_row(const Column *columns, int count, int64_t row, uint8_t *out) {
    for (int k = 0; k < count; k++) {
        bool null = AT(uint8_t, columns[k].nulls)[row] != 0;
        *out++ = null;
        if (null) continue;
        if (columns[k].width == sizeof(View)) {
            View text = AT(View, columns[k].data)[row];
            memcpy(out, &text.length, 8);
            if (text.length) memcpy(out + 8, AT(void, text.address), (size_t)text.length);
            out += 8 + text.length;
        } else {
            memcpy(out, AT(uint8_t, columns[k].data) + row * columns[k].width, (size_t)columns[k].width);
            out += columns[k].width;
        }
    }
    return out;
}

/* Returns the end of the stored row at `key` when it equals row `row` of the columns, NULL otherwise. */
static const uint8_t *same_row(const Column *columns, int count, int64_t row, const uint8_t *key) {
    for (int k = 0; k < count; k++) {
        bool null = AT(uint8_t, columns[k].nulls)[row] != 0;
        if (*key++ != null) return NULL;
        if (null) continue;
        if (columns[k].width == sizeof(View)) {
            View text = AT(View, columns[k].data)[row];
            if (load(key, 8) != (uint64_t)text.length) return NULL;
            if (text.length && memcmp(key + 8, AT(void, text.address), (size_t)text.length)) return NULL;
            key += 8 + text.length;
        } else {
            if (memcmp(key, AT(uint8_t, columns[k].data) + row * columns[k].width, (size_t)columns[k].width)) return NULL;
            key += columns[k].width;
        }
    }
    return key;
}

/* The free range of a string buffer. */
typedef struct {
    int64_t next, end;
} Texts;

/*
 * Copies a stored row into the columns. False when its strings overflow the buffer; they are copied because an entry may move
 * while the outputs are in use.
 */
static bool read_row(const Column *columns, int count, int64_t row, const uint8_t *from, Texts *texts) {
    for (int k = 0; k < count; k++) {
        uint8_t null = AT(uint8_t, columns[k].nulls)[row] = *from++;
        uint8_t *to = AT(uint8_t, columns[k].data) + row * columns[k].width;
        if (null) {
            memset(to, 0, (size_t)columns[k].width);
        } else if (columns[k].width == sizeof(View)) {
            View text = {texts->next, (int64_t)load(from, 8)};
            if (text.length > texts->end - texts->next) return false;
            if (text.length) memcpy(AT(void, text.address), from + 8, (size_t)text.length);
            texts->next += text.length;
            memcpy(to, &text, sizeof text);
            from += 8 + text.length;
        } else {
            memcpy(to, from, (size_t)columns[k].width);
            from += columns[k].width;
        }
    }
    return true;
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static uint64_t slot_of_place(Cache *c, uint64_t place, uint64_t hash) {
    uint64_t i = hash & (c->slots - 1);
    while (PLACE(slots_of(c)[i]) != place) i = (i + 1) & (c->slots - 1);
    return i;
}

/* Empties slot `i` and moves up the entries that linear probing had placed behind it. */
static void erase_slot(Cache *c, uint64_t i) {
    uint64_t *slots = slots_of(c), mask = c->slots - 1;
    for (uint64_t j = (i + 1) & mask; slots[j] != 0; j = (j + 1) & mask) {
        uint64_t home = entry_at(c, PLACE(slots[j]))->hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) slots[i] = slots[j], i = j;
    }
    slots[i] = 0;
}

static uint64_t space_at_head(const Cache *c) { return c->head > c->tail || c->used == 0 ? c->ring - c->head : c->tail - c->head; }

static void advance(Cache *c, uint64_t size) {
    c->head = c->head + size == c->ring ? 0 : c->head + size;
    c->used += size;
}

/* Fills the ring from the head to its end with a filler, because an entry must be contiguous. */
static void fill_to_end(Cache *c) {
    Entry *filler = entry_at(c, c->head);
    filler->size = (uint32_t)(c->ring - c->head);
    filler->state = FILLER;
    advance(c, filler->size);
}

/* Evicts the entry at the tail, or moves it to the head when it was found since it was written (second chance). */
static void give_up_oldest(Cache *c) {
    uint64_t from = c->tail;
    Entry *oldest = entry_at(c, from);
    uint64_t size = oldest->size;
    c->tail = from + size == c->ring ? 0 : from + size;
    c->used -= size;
    if (oldest->state != FILLER) {
        uint64_t hash = oldest->hash, slot = slot_of_place(c, from, hash);
        if (oldest->state == FOUND) {
            oldest->state = COLD;
            if (c->used > 0 && space_at_head(c) < size) {
                /* Space is short only when the head is above the tail; then no entry lies between the head and the ring's end. */
                fill_to_end(c);
            }
            if (c->used == 0) c->head = c->tail = 0;
            memmove(entry_at(c, c->head), oldest, (size_t)size);
            slots_of(c)[slot] = SLOT(c->head, hash);
            advance(c, size);
        } else {
            erase_slot(c, slot);
            c->entries--;
        }
    }
    if (c->used == 0) c->head = c->tail = 0;
}

/* Makes room for an entry at the head; at most half of the slots stay in use. */
static Entry *room_for(Cache *c, uint64_t size) {
    for (;;) {
        uint64_t space = space_at_head(c);
        if (space >= size && 2 * c->entries < c->slots) return entry_at(c, c->head);
        if (space < size && c->head > c->tail && c->tail >= size) fill_to_end(c);
        else give_up_oldest(c);
    }
}

/* Returns the entry of a row and sets `outputs` to its output row; NULL when there is none. */
static Entry *find(Cache *c, const Column *inputs, int count, int64_t row, uint64_t hash, const uint8_t **outputs) {
    uint64_t *slots = slots_of(c);
    for (uint64_t i = hash & (c->slots - 1); slots[i] != 0; i = (i + 1) & (c->slots - 1)) {
        if (slots[i] >> PLACE_BITS != hash >> PLACE_BITS) continue;
        Entry *entry = entry_at(c, PLACE(slots[i]));
        if (entry->hash != hash) continue;
        *outputs = same_row(inputs, count, row, (uint8_t *)(entry + 1));
        if (*outputs != NULL) return entry;
    }
    return NULL;
}

/* ---- JNI entry points --------------------------------------------------------------------------------------------- */

static int columns_in(JNIEnv *env, jlongArray array, Column *columns) {
    jsize words = (*env)->GetArrayLength(env, array);
    if (words > COLUMN_WORDS * MOST_COLUMNS) return throw_error(env, "cache: %d words of columns", (int)words), -1;
    (*env)->GetLongArrayRegion(env, array, 0, words, (jlong *)columns);
    return words / COLUMN_WORDS;
}

/* cacheOpen(cache, bytes, seed): initializes an empty cache of `bytes` bytes. */
JNIEXPORT void JNICALL SHIM(cacheOpen)(JNIEnv *env, jobject self, jlong cache, jlong bytes, jlong seed) {
    (void)env, (void)self;
    Cache *c = AT(Cache, cache);
    memset(c, 0, sizeof *c);
    c->slots = 16;
    while (c->slots * 2 * 32 <= (uint64_t)bytes) c->slots *= 2;
    c->ring = ((uint64_t)bytes - sizeof *c - 8 * c->slots) & ~UINT64_C(7);
    c->seed = (uint64_t)seed;
    memset(slots_of(c), 0, 8 * c->slots);
}

/*
 * cacheFind(cache, inputs, outputs, n, ids, misses, hashes, table, slots, texts): looks up the distinct rows of a batch. Writes
 * the row numbers of the missing ones to `misses`. Writes the cached outputs of the others to `outputs`, from row n - 1
 * downwards. ids[i] is the row of `outputs` that holds row i's outputs, once the outputs of the misses fill rows 0, 1, ...
 * `table`: `slots` int32 zeros, a power of two of at least 2n. `texts`: two int64, the start and end of the free string bytes; a
 * row whose strings overflow them counts as a miss. Returns the number of misses.
 */
JNIEXPORT jlong JNICALL SHIM(cacheFind)(JNIEnv *env, jobject self, jlong cache, jlongArray inputs, jlongArray outputs, jlong n,
                                        jlong ids, jlong misses, jlong hashes, jlong table, jlong slots, jlong texts) {
    (void)self;
    Column in[MOST_COLUMNS], out[MOST_COLUMNS];
    int ins = columns_in(env, inputs, in), outs = columns_in(env, outputs, out);
    if (ins < 0 || outs < 0) return 0;
    Cache *c = AT(Cache, cache);
    int32_t *id = AT(int32_t, ids), *miss = AT(int32_t, misses), *seen = AT(int32_t, table);
    uint64_t *hash = AT(uint64_t, hashes), mask = (uint64_t)slots - 1;
    int64_t missed = 0, found = 0;
    for (int64_t row = 0; row < n; row++) {
        uint64_t h = hash[row] = hash_row(in, ins, row, c->seed), at = h & mask;
        while (seen[at] && !(hash[seen[at] - 1] == h && equal_rows(in, ins, seen[at] - 1, row))) at = (at + 1) & mask;
        if (seen[at]) {
            id[row] = id[seen[at] - 1];
            continue;
        }
        seen[at] = (int32_t)row + 1;
        const uint8_t *from;
        Entry *entry = find(c, in, ins, row, h, &from);
        int64_t to = n - 1 - found;
        if (entry == NULL || !read_row(out, outs, to, from, AT(Texts, texts))) {
            id[row] = (int32_t)missed;
            miss[missed++] = (int32_t)row;
            continue;
        }
        found++;
        id[row] = (int32_t)to;
        entry->state = FOUND;
    }
    return (jlong)missed;
}

/*
 * cacheKeep(cache, inputs, outputs, flags or 0, m, misses, hashes): stores the outputs 0 to m - 1, which a kernel computed for
 * the rows `misses`, except those whose flag is set. An entry of more than an eighth of the ring is not stored.
 */
JNIEXPORT void JNICALL SHIM(cacheKeep)(JNIEnv *env, jobject self, jlong cache, jlongArray inputs, jlongArray outputs, jlong flags,
                                       jlong m, jlong misses, jlong hashes) {
    (void)self;
    Column in[MOST_COLUMNS], out[MOST_COLUMNS];
    int ins = columns_in(env, inputs, in), outs = columns_in(env, outputs, out);
    if (ins < 0 || outs < 0) return;
    Cache *c = AT(Cache, cache);
    const int32_t *miss = AT(int32_t, misses);
    const uint64_t *hash = AT(uint64_t, hashes);
    for (int64_t i = 0; i < m; i++) {
        if (is_set(AT(uint8_t, flags), i)) continue;
        int64_t row = miss[i];
        uint64_t size = (sizeof(Entry) + row_size(in, ins, row) + row_size(out, outs, i) + 7) & ~UINT64_C(7), h = hash[row];
        if (size > c->ring / 8) continue;
        Entry *entry = room_for(c, size);
        *entry = (Entry){(uint32_t)size, COLD, h};
        write_row(out, outs, i, write_row(in, ins, row, (uint8_t *)(entry + 1)));
        uint64_t slot = h & (c->slots - 1);
        while (slots_of(c)[slot] != 0) slot = (slot + 1) & (c->slots - 1);
        slots_of(c)[slot] = SLOT(c->head, h);
        advance(c, size);
        c->entries++;
    }
}
