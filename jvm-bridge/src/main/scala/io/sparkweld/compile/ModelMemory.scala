package io.sparkweld
package compile

import io.sparkweld.columns.OffHeapBuffer

import org.apache.spark.unsafe.Platform

/** Copies a block of constants to off-heap memory. */
final class ModelCopy(bytes: Array[Byte]) extends AutoCloseable {
  private val buffer = new OffHeapBuffer(ofTask = false)
  val size: Long = bytes.length.toLong
  val address: Long = buffer.reserve(math.max(size, 1L))
  Platform.copyMemory(bytes, Platform.BYTE_ARRAY_OFFSET.toLong, null, address, size)

  def close(): Unit = buffer.close()
}

/** Holds this executor's blocks of constants, at most `capacity` bytes: one copy each, which all of its tasks read. */
final class ModelMemory(capacity: Long) extends SharedStore[String, ModelCopy](capacity) {

  /**
   * Returns the block with that digest; calls `load` for its bytes when it is not here. Throws the errors of `load`, and
   * NoMemory.
   */
  def acquire(digest: String, load: () => Array[Byte]): Lease[ModelCopy] = lease(digest, new ModelCopy(load()))

  override protected def weigh(copy: ModelCopy): Long = copy.size

  override protected def free(copy: ModelCopy): Unit = copy.close()

  override protected def remembered(problem: Throwable): Long = 0
}
