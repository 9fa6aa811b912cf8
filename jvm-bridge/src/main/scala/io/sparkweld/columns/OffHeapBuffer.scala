package io.sparkweld.columns

import java.util.concurrent.atomic.AtomicLong

import org.apache.spark.unsafe.Platform

/** Off-heap memory that grows: its content is undefined after each growth. Not thread-safe. */
private[sparkweld] final class OffHeapBuffer extends AutoCloseable {
  private var base = 0L
  private var size = 0L
  private var start = 0L

  /** The first byte, on a cache line of its own; 0 before the first `reserve` and after `close`. */
  def address: Long = start

  /**
   * Whether `reserve` would keep the content. The address does not tell: the allocator may give the same one again, with
   * its own notes written over the first bytes.
   */
  def holds(bytes: Long): Boolean = bytes <= size && base != 0

  /** Makes room for `bytes` and returns the address. */
  def reserve(bytes: Long): Long = {
    if (!holds(bytes)) grow(bytes)
    start
  }

  def close(): Unit = {
    if (base != 0) {
      Platform.freeMemory(base)
      OffHeapBuffer.live.addAndGet(-(size + OffHeapBuffer.Line))
    }
    base = 0
    start = 0
    size = 0
  }

  private def grow(bytes: Long): Unit = {
    val larger = math.max(bytes, math.min(size * 2, size + OffHeapBuffer.MaximumStep))
    close()
    base = Platform.allocateMemory(larger + OffHeapBuffer.Line)
    size = larger
    OffHeapBuffer.live.addAndGet(larger + OffHeapBuffer.Line)
    // a vector load that straddles two cache lines costs twice as much
    start = (base + OffHeapBuffer.Line - 1) & -OffHeapBuffer.Line
  }
}

private[sparkweld] object OffHeapBuffer {
  private val Line = 64L
  private val MaximumStep = 64L << 20
  private val live = new AtomicLong

  /** Bytes held by all buffers of this process that are not closed. */
  def liveBytes: Long = live.get
}
