package io.sparkweld.columns

import org.apache.spark.sql.execution.vectorized.Dictionary

/**
 * Decodes the dictionary of a lazily decoded column once, into a table that the shim gathers from.
 *
 * A Dictionary does not say how many entries it has, so the table grows to the largest id that a batch holds.
 */
private[columns] final class DictionaryTable(layout: ColumnLayout) extends AutoCloseable {
  private val buffer = new OffHeapBuffer
  private var source: Dictionary = _
  private var decoded = 0

  /** The address of a table with the values of ids 0 to `maxId` of `dictionary`. */
  def address(dictionary: Dictionary, maxId: Int): Long = {
    if (dictionary ne source) {
      source = dictionary
      decoded = 0
    }
    if (maxId >= decoded) {
      val before = buffer.address
      val table = buffer.reserve((maxId + 1L) * layout.width)
      if (table != before) decoded = 0 // it moved, and its content was lost
      while (decoded <= maxId) {
        layout.decode(source, decoded, table + decoded.toLong * layout.width)
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
