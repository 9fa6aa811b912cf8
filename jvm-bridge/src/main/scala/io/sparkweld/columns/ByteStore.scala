package io.sparkweld
package columns

import scala.collection.mutable.ArrayBuffer

import org.apache.spark.unsafe.Platform

/**
 * Allocates off-heap bytes that stay in place until `reset`.
 *
 * Each chunk is larger than the sum of all before it.
 */
private[columns] final class ByteStore extends AutoCloseable {
  private val chunks = ArrayBuffer.empty[OffHeapBuffer]
  private var held = 0L
  private var next = 0L
  private var end = 0L

  /** Copies `bytes` bytes of an array (`base`), or of off-heap memory (null), and returns the address of the copy. */
  def put(base: AnyRef, offset: Long, bytes: Int): Long = {
    if (bytes > end - next) grow(bytes)
    val to = next
    Platform.copyMemory(base, offset, null, to, bytes.toLong)
    next += bytes
    to
  }

  def put(bytes: Array[Byte]): Long = put(bytes, Platform.BYTE_ARRAY_OFFSET.toLong, bytes.length)

  /** Forgets the content. The largest chunk stays, so that a steady load soon needs one chunk only. */
  def reset(): Unit = if (chunks.nonEmpty) {
    chunks.init.foreach(_.close())
    val largest = chunks.last
    chunks.clear()
    chunks += largest
    held = end - largest.address
    next = largest.address
  }

  def close(): Unit = {
    chunks.foreach(_.close())
    chunks.clear()
    held = 0
    next = 0
    end = 0
  }

  private def grow(bytes: Long): Unit = {
    val chunk = new OffHeapBuffer
    val size = math.max(bytes, math.max(held + 1, ByteStore.FirstChunk))
    next = chunk.reserve(size)
    end = next + size
    held += size
    chunks += chunk
  }
}

private object ByteStore {
  private val FirstChunk = 16L << 10
}
