package io.sparkweld
package columns

import org.apache.spark.unsafe.Platform

/**
 * Holds the bytes of the strings that a kernel makes, for one batch at a time.
 *
 * The kernel receives the address of two int64: the cursor, which it advances by the bytes used, and the end. Past the end it
 * writes nothing but continues counting, so that the caller can make room for everything and call again.
 *
 * @param bytesPerRow the initial bytes per row; 0 where most kernels make no string
 * @param limit the most bytes
 */
private[sparkweld] final class StringArena(bytesPerRow: Int, limit: Long) extends AutoCloseable {
  private val header = new OffHeapBuffer
  private val bytes = new OffHeapBuffer
  private var size = 0L

  /** Returns the address of the cursor and the end. */
  def address: Long = header.address

  /** Empties it for a batch of `rows` rows. The strings of earlier batches are lost. */
  def start(rows: Int): Unit = {
    // one batch of very long strings must not retain its memory until the task ends
    if (size > StringArena.Kept && taken < size / 4) {
      bytes.close()
      size = 0
    }
    if (size == 0 && bytesPerRow > 0) reserve(math.min(limit, math.max(StringArena.Smallest, rows.toLong * bytesPerRow)))
    rewind()
  }

  /**
   * As above, with room for the bytes per row of earlier batches, also of other tasks: a kernel whose strings overflow must run
   * again.
   */
  def start(rows: Int, bytesTaken: Double): Unit = {
    start(rows)
    val expected = math.min(limit, (rows * bytesTaken * StringArena.Spare).toLong)
    if (expected > size) {
      reserve(expected)
      rewind()
    }
  }

  /** Whether the kernel's strings overflowed. */
  def overflowed: Boolean = taken > size

  /** Makes room for the bytes of the last call; false when they exceed the limit. Throws NoMemory; it is empty then. */
  def grow(): Boolean = {
    val wanted = taken
    if (wanted <= limit) {
      reserve(math.min(limit, math.max(wanted, 2 * size)))
      rewind()
    }
    wanted <= limit
  }

  override def close(): Unit = {
    header.close()
    bytes.close()
    size = 0
  }

  /** Returns the bytes requested since the last `start` or `grow`. */
  def taken: Long = if (address == 0) 0 else Platform.getLong(null, address) - bytes.address

  private def reserve(wanted: Long): Unit = {
    size = 0
    bytes.reserve(wanted)
    size = wanted
  }

  private def rewind(): Unit = {
    header.reserve(16)
    Platform.putLong(null, address, bytes.address)
    Platform.putLong(null, address + 8, bytes.address + size)
  }
}

private object StringArena {
  private val Smallest = 4096L
  private val Kept = 64L << 20
  private val Spare = 1.25
}
