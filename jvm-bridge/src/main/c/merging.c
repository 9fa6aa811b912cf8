/*
 * Runs two kernels alternately over the blocks of a batch: the first computes columns, the second merges their rows into groups.
 *
 * Each block is merged while it is in the CPU cache, and columns that only the groups read are never materialized for the batch.
 */
#include "shim.h"
#include <stdlib.h>

#define STACK_WORDS 1024

/* The layout of `turn`; BlockMerge.scala has the same. */
enum { ROWS, BLOCK, SELECTION, ARENA, STATE, FLAGS, DONE, MERGED, WHY, WORDS };
enum { ALL, FLAGGED, TEXTS, STOPPED };
/*
 * The word of a merging kernel's state (sparkweld/kernels/codegen/merging.py) with the first row to merge and, after a call, the next
 * one.
 */
enum { STATE_ROW = 6 };

typedef struct {
    Kernel kernel, merger;
    int64_t *columns, *steps, *made;        /* the kernel's addresses for row 0, bytes per row, addresses for one block */
    int64_t *merged, *widths, *own, *given; /* the merger's addresses, its batch columns' widths and buffers; those of a block */
    int64_t *result, *counts;               /* of the kernel, of the merger */
    size_t inputs, mergers;                 /* lengths of `columns` and `merged` */
    size_t passed;                          /* length of `widths` and `own` */
} Turns;

/* Runs one block; returns ALL, or the reason why it was not merged completely. */
static int64_t one_block(const Turns *t, int64_t *turn, int64_t count) {
    int64_t start = turn[DONE];
    for (size_t i = 0; i < t->inputs; i++) t->made[i] = t->columns[i] + start * t->steps[i];
    t->kernel(t->made, count, t->result);
    int64_t *arena = AT(int64_t, turn[ARENA]);
    if (arena[0] > arena[1]) return TEXTS; /* before the flags: guards may have read strings that overflowed */
    if (t->result[1] != 0 || (turn[FLAGS] >= 0 && t->result[2 + turn[FLAGS]] != 0)) return FLAGGED;
    int64_t kept = t->result[0];
    memcpy(t->given, t->merged, t->mergers * sizeof *t->given);
    for (size_t i = 0; i < t->passed; i++) {
        if (t->widths[i] == 0) continue;
        int64_t from = t->merged[i] + start * t->widths[i];
        t->given[i] = turn[SELECTION] == 0 ? from : t->own[i];
        if (turn[SELECTION] != 0)
            gather_values((int)t->widths[i], from, AT(int32_t, turn[SELECTION]), NULL, kept, t->own[i]);
    }
    int64_t *state = AT(int64_t, turn[STATE]);
    state[STATE_ROW] = 0;
    t->merger(t->given, kept, t->counts);
    turn[MERGED] += state[STATE_ROW];
    return t->counts[1] != 0 || state[STATE_ROW] < kept ? STOPPED : ALL;
}

/*
 * mergeBlocks(kernel, merger, columns, steps, merged, widths, own, outputs, turn): runs blocks of turn[BLOCK] rows from row
 * turn[DONE] to turn[ROWS]. `columns`: the kernel's addresses for row 0 of the batch. `steps`: the bytes per row of each, 0 for a
 * buffer that each block overwrites. `merged`: the merger's addresses. Its first entries whose width is not 0 are columns of the
 * batch; with a filter, their selected rows are copied to `own`. turn[FLAGS]: the index of the kernel output, among `outputs`,
 * whose NULLs mark undecided rows, or -1. Stops before the first block that has undecided rows, that a guard flagged, or whose
 * strings overflow; or within the block where the merger stops. On return, turn[DONE] is the number of rows of all blocks before,
 * and turn[MERGED] the number of selected rows that are in groups.
 */
JNIEXPORT void JNICALL SHIM(mergeBlocks)(JNIEnv *env, jobject self, jlong kernel, jlong merger, jlongArray columns,
                                         jlongArray steps, jlongArray merged, jlongArray widths, jlongArray own, jint outputs,
                                         jlongArray turn_words) {
    (void)self;
    Turns t = {.kernel = (Kernel)(intptr_t)kernel, .merger = (Kernel)(intptr_t)merger};
    t.inputs = (size_t)(*env)->GetArrayLength(env, columns);
    t.mergers = (size_t)(*env)->GetArrayLength(env, merged);
    t.passed = (size_t)(*env)->GetArrayLength(env, widths);
    size_t results = 2 + (size_t)outputs;
    size_t size = 3 * t.inputs + 3 * t.mergers + 2 * t.passed + results + 2; /* the merger has fewer outputs than entries */
    int64_t stack[STACK_WORDS], turn[WORDS];
    int64_t *words = size <= STACK_WORDS ? stack : malloc(size * sizeof *words);
    if (words == NULL) {
        throw_out_of_memory(env);
        return;
    }
    t.columns = words;
    t.steps = t.columns + t.inputs;
    t.made = t.steps + t.inputs;
    t.merged = t.made + t.inputs;
    t.given = t.merged + t.mergers;
    t.counts = t.given + t.mergers;
    t.widths = t.counts + t.mergers + 2;
    t.own = t.widths + t.passed;
    t.result = t.own + t.passed;
    (*env)->GetLongArrayRegion(env, columns, 0, (jsize)t.inputs, (jlong *)t.columns);
    (*env)->GetLongArrayRegion(env, steps, 0, (jsize)t.inputs, (jlong *)t.steps);
    (*env)->GetLongArrayRegion(env, merged, 0, (jsize)t.mergers, (jlong *)t.merged);
    (*env)->GetLongArrayRegion(env, widths, 0, (jsize)t.passed, (jlong *)t.widths);
    (*env)->GetLongArrayRegion(env, own, 0, (jsize)t.passed, (jlong *)t.own);
    (*env)->GetLongArrayRegion(env, turn_words, 0, WORDS, (jlong *)turn);
    int64_t *arena = AT(int64_t, turn[ARENA]);
    int64_t texts = arena[0];
    turn[WHY] = ALL;
    while (turn[WHY] == ALL && turn[DONE] < turn[ROWS]) {
        int64_t left = turn[ROWS] - turn[DONE];
        int64_t count = left < turn[BLOCK] ? left : turn[BLOCK];
        arena[0] = texts; /* reuses the string bytes: the groups copy the strings that they need */
        turn[WHY] = one_block(&t, turn, count);
        if (turn[WHY] == ALL) turn[DONE] += count;
    }
    (*env)->SetLongArrayRegion(env, turn_words, 0, WORDS, (jlong *)turn);
    if (words != stack) free(words);
}
