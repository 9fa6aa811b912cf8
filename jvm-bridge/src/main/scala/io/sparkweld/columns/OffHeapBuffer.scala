package io.sparkweld
package columns

import java.util.concurrent.atomic.AtomicLong

import io.sparkweld.nativelib.NoMemory

import org.apache.spark.unsafe.Platform

/**
 * Allocates growing off-heap memory; its content is undefined after each growth.
 *
 * Not thread-safe.
 *
 * @param ofTask whether it is freed when the task that reserves it ends; large sizes are then requested from Spark
 */
private[sparkweld] final class OffHeapBuffer(ofTask: Boolean = true) extends AutoCloseable {
  private var base = 0L
  private var size = 0L
  private var start = 0L
  private var granted: Option[TaskMemory] = None

  /** Returns the first byte, aligned to a cache line; 0 before the first `reserve` and after `close`. */
  def address: Long = start

  /**
   * Whether `reserve` would keep the content. An equal address does not imply it: the allocator may return the same one again,
   * with its own data written over the first bytes.
   */
  def holds(bytes: Long): Boolean = bytes <= size && base != 0

  /** Makes room for `bytes` and returns the address. Throws NoMemory; it then holds nothing, as after `close`. */
  def reserve(bytes: Long): Long = {
    if (!holds(bytes)) grow(bytes)
    start
  }

  def close(): Unit = {
    if (base != 0) {
      Platform.freeMemory(base)
      OffHeapBuffer.live.addAndGet(-(size + OffHeapBuffer.Line))
    }
    granted.foreach(_.giveBack(size))
    granted = None
    base = 0
    start = 0
    size = 0
  }

  private def grow(bytes: Long): Unit = {
    val larger = math.max(bytes, math.min(size * 2, size + OffHeapBuffer.MaximumStep))
    close()
    val asked = if (ofTask && bytes >= OffHeapBuffer.Large && OffHeapBuffer.asks.get) TaskMemory.current else None
    val room = asked.fold(larger)(_.ask(larger, bytes))
    base =
      try OffHeapBuffer.allocate(room + OffHeapBuffer.Line)
      catch {
        case full: NoMemory =>
          asked.foreach(_.giveBack(room))
          throw full
      }
    granted = asked
    size = room
    OffHeapBuffer.live.addAndGet(room + OffHeapBuffer.Line)
    // a vector load that straddles two cache lines costs twice as much
    start = (base + OffHeapBuffer.Line - 1) & -OffHeapBuffer.Line
  }
}

private[sparkweld] object OffHeapBuffer {
  private val Line = 64L
  private val MaximumStep = 64L << 20
  /** Smaller sizes are not worth a request to Spark; their total is small. */
  private val Large = 1L << 20
  private val live = new AtomicLong
  private val asks = ThreadLocal.withInitial[Boolean](() => true)

  /** Runs `body`, whose allocations are not requested from Spark: the query cannot do without them. */
  def unaccounted[T](body: => T): T = {
    val before = asks.get
    asks.set(false)
    try body
    finally asks.set(before)
  }

  /** Allocates system memory. Throws NoMemory. */
  def allocate(bytes: Long): Long =
    try Platform.allocateMemory(bytes)
    catch { case _: OutOfMemoryError => throw new NoMemory(s"the system has no $bytes bytes") }

  /** Returns the bytes held by all buffers of this process that are not closed. */
  def liveBytes: Long = live.get
}
