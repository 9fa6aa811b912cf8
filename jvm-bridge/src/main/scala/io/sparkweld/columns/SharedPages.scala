package io.sparkweld
package columns

import org.apache.spark.unsafe.Platform

/**
 * Provides read-only memory that every column may share: all bytes 0, or all bytes 1.
 *
 * An outgrown page stays allocated, because a kernel may still read it. As sizes double, all such pages are smaller than the
 * current one.
 */
private[columns] object SharedPages {
  private val Zeros = new SharedPage(0)
  private val Ones = new SharedPage(1)

  /** Returns at least `bytes` bytes 0: null bytes of rows without NULL, or values of rows that are all NULL. */
  def zeros(bytes: Long): Long = Zeros.address(bytes)

  /** Returns at least `bytes` bytes 1: null bytes of rows that are all NULL. */
  def ones(bytes: Long): Long = Ones.address(bytes)
}

private final class SharedPage(content: Byte) {
  private final class Page(val address: Long, val size: Long)

  @volatile private var page = new Page(0, 0)

  def address(bytes: Long): Long = {
    val current = page
    if (bytes <= current.size) current.address else grow(bytes)
  }

  private def grow(bytes: Long): Long = synchronized {
    if (bytes > page.size) {
      val size = math.max(math.max(bytes, page.size * 2), 64L << 10)
      val memory = OffHeapBuffer.allocate(size)
      Platform.setMemory(memory, content, size)
      page = new Page(memory, size)
    }
    page.address
  }
}
