package io.sparkweld.columns

import org.apache.spark.unsafe.Platform

/**
 * Where a kernel puts the bytes of the texts that it makes, for one batch at a time.
 *
 * The kernel knows the address of two int64 numbers: the cursor, which it moves by what it takes, and the end. Past the
 * end it writes nothing and goes on counting, so that the caller can make room for all of it and call again.
 *
 * @param bytesARow the room to begin with; 0 where most kernels make no text
 * @param limit the most bytes
 */
private[sparkweld] final class TextArena(bytesARow: Int, limit: Long) extends AutoCloseable {
  private val header = new OffHeapBuffer
  private val bytes = new OffHeapBuffer
  private var size = 0L

  /** The address of the cursor and the end. */
  def address: Long = header.address

  /** Empties it for a batch of `rows` rows. What the batches before had put there is lost. */
  def start(rows: Int): Unit = {
    // one batch of very long texts must not hold its memory until the task ends
    if (size > TextArena.Kept && taken < size / 4) {
      bytes.close()
      size = 0
    }
    if (size == 0 && bytesARow > 0) reserve(math.min(limit, math.max(TextArena.Smallest, rows.toLong * bytesARow)))
    rewind()
  }

  /** The same with room for what batches before have taken, in other tasks too: a kernel that runs out of room has to run again. */
  def start(rows: Int, bytesTaken: Double): Unit = {
    start(rows)
    val expected = math.min(limit, (rows * bytesTaken * TextArena.Spare).toLong)
    if (expected > size) {
      reserve(expected)
      rewind()
    }
  }

  /** Whether the kernel wanted more bytes than there are. */
  def overflowed: Boolean = taken > size

  /** Makes room for what the last call wanted; false when that is more than the limit. Throws NoMemory; it is empty then. */
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

  /** Bytes that were wanted since the last `start` or `grow`. */
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

private object TextArena {
  private val Smallest = 4096L
  private val Kept = 64L << 20
  private val Spare = 1.25
}
