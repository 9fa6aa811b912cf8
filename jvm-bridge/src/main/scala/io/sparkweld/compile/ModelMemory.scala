package io.sparkweld.compile

import io.sparkweld.columns.OffHeapBuffer

import org.apache.spark.unsafe.Platform

/** A block of constants off the heap. */
final class ModelCopy(bytes: Array[Byte]) extends AutoCloseable {
  private val buffer = new OffHeapBuffer(ofTask = false)
  val size: Long = bytes.length.toLong
  val address: Long = buffer.reserve(math.max(size, 1L))
  Platform.copyMemory(bytes, Platform.BYTE_ARRAY_OFFSET.toLong, null, address, size)

  def close(): Unit = buffer.close()
}

/** The blocks of constants of this executor, at most `capacity` bytes: one copy each, which all of its tasks read. */
final class ModelMemory(capacity: Long) extends SharedStore[String, ModelCopy](capacity) {

  /** The block of that digest, whose bytes `load` gives when it is not here. Throws what `load` throws, and NoMemory. */
  def acquire(digest: String, load: () => Array[Byte]): Lease[ModelCopy] = lease(digest, new ModelCopy(load()))

  override protected def weigh(copy: ModelCopy): Long = copy.size

  override protected def free(copy: ModelCopy): Unit = copy.close()

  override protected def remembered(problem: Throwable): Long = 0
}
