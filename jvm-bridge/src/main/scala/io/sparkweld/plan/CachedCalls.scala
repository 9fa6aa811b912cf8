package io.sparkweld
package plan

import scala.collection.mutable

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.columns.{CacheAdvice, ColumnLayout, OffHeapBuffer, RowCache, StringViews}
import io.sparkweld.compile.LinkedForm
import io.sparkweld.nativelib.Shim
import io.sparkweld.support.Mode

import org.apache.spark.sql.types.{BooleanType, DataType}
import org.apache.spark.unsafe.Platform

/**
 * Calls a task's kernels only for the distinct rows of a batch that are not cached from earlier ones.
 *
 * A row's result is then that of an equal row, bit for bit, which is exact because the kernel is row-local. Rows that a guard
 * flags are not cached. Serves one task.
 */
private final class CachedCalls(plan: TaskPlan) extends AutoCloseable {
  import CachedCalls._

  private val kernel = plan.kernel
  private lazy val pool = SparkWeldRuntime.caches // kept here: it may be unset when the task ends
  private val outputWidths = (kernel.outputTypes ++ Option.when(kernel.flags)(BooleanType)).map(ColumnLayout.width)
  private val possible = plan.cacheMode != Mode.Never && !kernel.filtered && outputWidths.nonEmpty &&
    outputWidths.length <= MostOutputs && kernel.outputTypes.forall(isPlain)
  private val caches = mutable.HashMap.empty[String, Option[RowCache]]
  private val advice = mutable.HashMap.empty[String, CacheAdvice]
  private val ids, misses, hashes, table, strings = new OffHeapBuffer
  private val missing = mutable.ArrayBuffer.empty[OffHeapBuffer] // the missing rows of the inputs
  private val made = mutable.ArrayBuffer.empty[OffHeapBuffer] // outputs of distinct rows

  /**
   * Fills the outputs and `result` for `rows` rows. `columns` are the kernel's addresses. `run` calls the kernel with these for
   * the given number of rows, and returns whether it decided them.
   */
  def call(form: LinkedForm, columns: Array[Long], rows: Int, result: Array[Long])(run: Int => Boolean): Unit =
    if (!serves(form, rows)) run(rows)
    else {
      val known = adviceOf(form)
      val cache = if (plan.cacheMode == Mode.Always || known.requiresCache) cacheOf(form) else None
      val started = System.nanoTime()
      cache match {
        case Some(cache) =>
          var inKernel = 0L
          val missed = through(cache, form, columns, rows, result) { few =>
            val called = System.nanoTime()
            val decided = run(few)
            inKernel = System.nanoTime() - called
            decided
          }
          known.cached(rows, missed, System.nanoTime() - started, inKernel)
        case None =>
          run(rows)
          known.plain(System.nanoTime() - started, rows)
      }
    }

  /** Runs `whole`, which caches no rows, unless these rows should use a cache; returns whether `whole` decided all rows. */
  def without(form: LinkedForm, rows: Int)(whole: => Boolean): Boolean =
    if (!serves(form, rows)) whole
    else if (plan.cacheMode == Mode.Always || adviceOf(form).requiresCache) false
    else {
      val started = System.nanoTime()
      val done = whole
      if (done) adviceOf(form).plain(System.nanoTime() - started, rows)
      done
    }

  private def serves(form: LinkedForm, rows: Int): Boolean = possible && rows >= LeastRows && form.repeatable && takes(form)

  private def adviceOf(form: LinkedForm): CacheAdvice = advice.getOrElseUpdate(form.identity, pool.adviceOf(form.identity))

  override def close(): Unit = {
    for ((form, cache) <- caches; own <- cache) pool.giveBack(form, own)
    caches.clear()
    (Seq(ids, misses, hashes, table, strings) ++ missing ++ made).foreach(_.close())
  }

  private def takes(form: LinkedForm): Boolean = form.inputs.nonEmpty && form.inputs.length <= MostInputs && form.inputs.forall { i =>
    isPlain(kernel.inputs(i).dataType)
  }

  /** Whether the type is no list. */
  private def isPlain(dataType: DataType): Boolean = StringViews.holds(dataType) || !ColumnLayout.holdsViews(dataType)

  private def cacheOf(form: LinkedForm): Option[RowCache] =
    caches.getOrElseUpdate(form.identity, pool.take(form.identity))

  /** Runs the kernel for the rows that the cache misses; returns their number. */
  private def through(cache: RowCache, form: LinkedForm, columns: Array[Long], rows: Int, result: Array[Long])(
      run: Int => Boolean): Int = {
    val inputs = described(columns, 0, form.inputs.map(i => ColumnLayout.width(kernel.inputs(i).dataType)))
    val wanted = described(columns, 2 * form.inputs.length, outputWidths)
    val distinct = wanted.clone()
    room(made, distinct, rows)
    val slots = Integer.highestOneBit(math.max(rows, 1)) * 4L
    Platform.setMemory(table.reserve(slots * 4), 0, slots * 4)
    val missed = Shim.cacheFind(cache.address, inputs, distinct, rows.toLong, ids.reserve(rows * 4L), misses.reserve(rows * 4L),
      hashes.reserve(rows * 8L), table.address, slots, roomForStrings(rows)).toInt
    plan.metrics.cacheRows += rows.toLong
    plan.metrics.cachedRows += (rows - missed).toLong
    if (missed == rows) {
      if (run(rows)) keep(cache, inputs, wanted, missed)
    } else {
      if (missed > 0) {
        val few = inputs.clone()
        room(missing, few, missed)
        gather(inputs, misses.address, missed, few)
        place(few, columns, 0)
        place(distinct, columns, 2 * form.inputs.length)
      } else java.util.Arrays.fill(result, 0L)
      if (missed == 0 || run(missed)) {
        keep(cache, inputs, distinct, missed)
        gather(distinct, ids.address, rows, wanted)
        result(0) = rows.toLong
        for (k <- outputWidths.indices) result(2 + k) = Shim.countNulls(wanted(3 * k + 1), rows.toLong)
      }
    }
    missed
  }

  /** Reserves room for the strings of cached rows, valid until the next batch. */
  private def roomForStrings(rows: Int): Long = {
    val size = if (kernel.outputTypes.exists(StringViews.holds)) rows * StringBytesPerRow else 0L
    val cursor = strings.reserve(16 + size)
    Platform.putLong(null, cursor, cursor + 16)
    Platform.putLong(null, cursor + 8, cursor + 16 + size)
    cursor
  }

  private def keep(cache: RowCache, inputs: Array[Long], outputs: Array[Long], rows: Int): Unit = {
    val flags = if (kernel.flags) outputs(outputs.length - 2) else 0L
    Shim.cacheKeep(cache.address, inputs, outputs, flags, rows.toLong, misses.address, hashes.address)
  }

  /** Returns columns in the shim's format, from the address pairs that start at `first`. */
  private def described(columns: Array[Long], first: Int, widths: Array[Int]): Array[Long] =
    widths.indices.flatMap(k => Seq(columns(first + 2 * k), columns(first + 2 * k + 1), widths(k).toLong)).toArray

  private def place(described: Array[Long], columns: Array[Long], first: Int): Unit =
    for (k <- 0 until described.length / 3; part <- 0 to 1) columns(first + 2 * k + part) = described(3 * k + part)

  /** Reserves columns for `rows` rows and sets their addresses in `described`. */
  private def room(buffers: mutable.ArrayBuffer[OffHeapBuffer], described: Array[Long], rows: Int): Unit =
    for (k <- 0 until described.length / 3; part <- 0 to 1) {
      if (buffers.length <= 2 * k + part) buffers += new OffHeapBuffer
      described(3 * k + part) = buffers(2 * k + part).reserve(rows * (if (part == 0) described(3 * k + 2) else 1L))
    }

  private def gather(from: Array[Long], at: Long, rows: Int, to: Array[Long]): Unit =
    for (k <- 0 until from.length / 3) {
      Shim.gather(from(3 * k + 2).toInt, from(3 * k), at, 0L, rows.toLong, to(3 * k))
      Shim.gather(1, from(3 * k + 1), at, 0L, rows.toLong, to(3 * k + 1))
    }
}

private object CachedCalls {
  /** Measurements of fewer rows are meaningless. */
  private val LeastRows = 64
  private val MostInputs = 8
  private val MostOutputs = 32 // the shim takes 64 columns
  private val StringBytesPerRow = 32L
}
