package io.sparkweld
package columns

import org.apache.spark.sql.vectorized.ColumnVector

/**
 * Shows a field of a struct column as NULL where the struct is NULL.
 *
 * Spark's readers leave the field's own value there undefined, its null byte included.
 */
private[sparkweld] final class FieldColumnVector(struct: ColumnVector, field: ColumnVector) extends ShownColumnVector(field.dataType) {
  override protected def target: ColumnVector = field
  override protected def targetRow(row: Int): Int = row

  override def isNullAt(row: Int): Boolean = struct.isNullAt(row) || field.isNullAt(row)
  override def hasNull: Boolean = struct.hasNull || field.hasNull

  /** Returns an upper bound: a row may be NULL in both. */
  override def numNulls: Int = struct.numNulls + field.numNulls

  override def getChild(ordinal: Int): ColumnVector = field.getChild(ordinal)
  override def close(): Unit = ()
  override def closeIfFreeable(): Unit = ()
}
