package io.sparkweld.columns

import org.apache.spark.sql.execution.vectorized.Dictionary

/**
 * Decodes the dictionary of a lazily decoded column once, into a table that the shim gathers from.
 *
 * A Dictionary does not say how many entries it has, so the table grows to the largest id that a batch holds.
 */
private[columns] abstract class DictionaryTable(width: Int) extends AutoCloseable {
  private val buffer = new OffHeapBuffer
  private var source: AnyRef = _
  private var decoded = 0

  /** Decodes one entry to the address `to`. */
  protected def decode(dictionary: Dictionary, id: Int, to: Long): Unit

  /** Forgets the entries decoded so far. */
  protected def restart(): Unit = decoded = 0

  /** The address of a table with the values of ids 0 to `maxId` of `dictionary`. */
  def address(dictionary: Dictionary, maxId: Int): Long = {
    val identity = VectorInternals.identity(dictionary)
    if (identity ne source) {
      source = identity
      restart()
    }
    if (maxId >= decoded) {
      val bytes = (maxId + 1L) * width
      if (!buffer.holds(bytes)) restart() // it grows, and its content is lost
      val table = buffer.reserve(bytes)
      while (decoded <= maxId) {
        decode(dictionary, decoded, table + decoded.toLong * width)
        decoded += 1
      }
    }
    buffer.address
  }

  def close(): Unit = {
    buffer.close()
    source = null
    decoded = 0
  }
}
