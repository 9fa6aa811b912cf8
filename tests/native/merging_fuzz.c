/* Runs two kernels alternately over blocks, and compares with all rows at once: flags, filters, arena overflows, stops. */
#include "harness.h"

enum { INPUT, INPUT_NULLS, PASSED, OUTPUT, OUTPUT_NULLS, SELECTION, ARENA, KERNEL_WORDS };
enum { MADE, MADE_NULLS, OF_BATCH, STATE, MERGER_WORDS };
enum { STATE_WORDS = 8, STATE_ROW = 6 };
enum { ALL, FLAGGED, TEXTS, STOPPED };

/* The rows at which the kernels flag or stop, and their arena use; set by a case. */
static int64_t guard_at, stop_at, seen, bytes_a_row;
static bool filters;

static bool keeps(int64_t value) { return !filters || value % 3 != 0; }

/* Computes out = 2 * in for the rows that it keeps; each takes `bytes_a_row` bytes of the arena. */
static void kernel(const int64_t *columns, int64_t n, int64_t *result) {
    int64_t *arena = AT(int64_t, columns[ARENA]), kept = 0;
    result[0] = result[1] = result[2] = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t value = AT(int64_t, columns[INPUT])[i];
        CHECK(AT(uint8_t, columns[INPUT_NULLS])[i] <= 1);
        if (value == guard_at) result[1]++;
        if (!keeps(value)) continue;
        AT(int64_t, columns[OUTPUT])[kept] = 2 * value;
        AT(uint8_t, columns[OUTPUT_NULLS])[kept] = 0;
        if (filters) AT(int32_t, columns[SELECTION])[kept] = (int32_t)i;
        if (arena[0] + bytes_a_row <= arena[1]) memset(AT(void, arena[0]), 1, (size_t)bytes_a_row);
        arena[0] += bytes_a_row;
        kept++;
    }
    result[0] = kept;
}

/* Adds both columns; stops at the row whose number is `stop_at`. */
static void merger(const int64_t *columns, int64_t n, int64_t *result) {
    int64_t *state = AT(int64_t, columns[STATE]), row = state[STATE_ROW];
    result[0] = result[1] = 0;
    for (; row < n && seen != stop_at; row++, seen++) {
        state[0] += AT(int64_t, columns[MADE])[row];
        state[1] += AT(int64_t, columns[OF_BATCH])[row];
        state[2] += AT(uint8_t, columns[MADE_NULLS])[row];
    }
    state[STATE_ROW] = row;
}

void fuzz_merging(void) {
    int64_t rows = between(0, 100), block = between(1, 40);
    filters = one_in(2);
    guard_at = one_in(3) ? between(0, 99) : -1;
    stop_at = one_in(3) ? between(0, 99) : -1;
    bytes_a_row = between(0, 4), seen = 0;
    int64_t room = one_in(3) ? between(0, 100) : 4 * block;
    int64_t *input = NEW(int64_t, rows), *passed = NEW(int64_t, rows), *output = NEW(int64_t, block), *own = NEW(int64_t, block);
    uint8_t *input_nulls = NEW(uint8_t, rows), *output_nulls = NEW(uint8_t, block), *texts = NEW(uint8_t, room);
    int32_t *selection = NEW(int32_t, block);
    int64_t arena[2] = {HERE(texts), HERE(texts) + room}, state[STATE_WORDS] = {0};
    for (int64_t i = 0; i < rows; i++) input[i] = i, passed[i] = 1000 * i;
    jlong columns[KERNEL_WORDS] = {HERE(input), HERE(input_nulls), HERE(passed), HERE(output), HERE(output_nulls),
                                   filters ? HERE(selection) : 0, HERE(arena)};
    jlong steps[KERNEL_WORDS] = {8, 1, 8};
    jlong merged[MERGER_WORDS] = {HERE(output), HERE(output_nulls), HERE(passed), HERE(state)};
    jlong widths[3] = {0, 0, 8}, owns[3] = {0, 0, HERE(own)};
    jlong turn[9] = {rows, block, columns[SELECTION], HERE(arena), HERE(state), -1, 0, 0, 0};
    SHIM(mergeBlocks)(env, NULL, HERE(kernel), HERE(merger), array_of(columns, KERNEL_WORDS), array_of(steps, KERNEL_WORDS),
                      array_of(merged, MERGER_WORDS), array_of(widths, 3), array_of(owns, 3), 1, array_of(turn, 9));
    int64_t doubled = 0, sum = 0, count = 0, done = 0, why = ALL;
    while (why == ALL && done < rows) { /* the expected result, a block at a time */
        int64_t until = done + block < rows ? done + block : rows, kept = 0, first = count;
        for (int64_t i = done; i < until; i++) kept += keeps(i);
        if (kept * bytes_a_row > room) why = TEXTS;
        else if (done <= guard_at && guard_at < until) why = FLAGGED;
        else {
            for (int64_t i = done; i < until && count != stop_at; i++) {
                if (!keeps(i)) continue;
                doubled += 2 * i, sum += 1000 * i, count++;
            }
            if (count < first + kept) why = STOPPED;
            else done = until;
        }
    }
    CHECK(turn[8] == why && turn[6] == done && turn[7] == count);
    CHECK(state[0] == doubled && state[1] == sum && state[2] == 0);
}
