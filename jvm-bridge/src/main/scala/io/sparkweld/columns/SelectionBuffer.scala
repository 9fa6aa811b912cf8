package io.sparkweld
package columns

import org.apache.spark.unsafe.Platform

/**
 * Stores the int32 row numbers written by a filtered kernel, or a node above it: output row k comes from source row `apply(k)`.
 */
final class SelectionBuffer extends AutoCloseable {
  private val buffer = new OffHeapBuffer

  /** Returns the address for the kernel; changes with `ensureCapacity`. */
  def address: Long = buffer.address

  /** Makes room for `rows` numbers. Growing loses the content. */
  def ensureCapacity(rows: Int): Unit = buffer.reserve(rows * 4L)

  def apply(k: Int): Int = Platform.getInt(null, buffer.address + k * 4L)

  def update(k: Int, row: Int): Unit = Platform.putInt(null, buffer.address + k * 4L, row)

  def close(): Unit = buffer.close()
}
