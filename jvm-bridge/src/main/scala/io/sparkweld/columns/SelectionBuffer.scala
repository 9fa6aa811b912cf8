package io.sparkweld.columns

import org.apache.spark.unsafe.Platform

/** The int32 row numbers that a filtered kernel, or a node above it, writes: output row k comes from source row `apply(k)`. */
final class SelectionBuffer extends AutoCloseable {
  private val buffer = new OffHeapBuffer

  /** Where the kernel writes; changes with `ensureCapacity`. */
  def address: Long = buffer.address

  /** Makes room for `rows` numbers. What was in it is lost when it grows. */
  def ensureCapacity(rows: Int): Unit = buffer.reserve(rows * 4L)

  def apply(k: Int): Int = Platform.getInt(null, buffer.address + k * 4L)

  def update(k: Int, row: Int): Unit = Platform.putInt(null, buffer.address + k * 4L, row)

  def close(): Unit = buffer.close()
}
