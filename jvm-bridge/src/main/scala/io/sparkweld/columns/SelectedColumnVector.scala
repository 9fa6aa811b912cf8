package io.sparkweld
package columns

import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.ColumnVector

/**
 * Shows another column through a row selection: row k is the other column's row `selection(k)`.
 *
 * Nothing is copied.
 *
 * It owns neither the selection nor the column, and has no data type before the first `reset`.
 */
final class SelectedColumnVector(selection: SelectionBuffer) extends ShownColumnVector(NullType) {
  private var base: ColumnVector = _
  private var baseRows = 0
  private var children = Array.empty[SelectedColumnVector]
  private var rowAligned = false

  /** Returns the column shown. */
  def shown: ColumnVector = base

  private[columns] def rowsShown: Int = baseRows

  /** Returns the address of the row numbers. */
  private[columns] def selectionAddress: Long = selection.address

  /** Shows `column`, of `rows` rows, from now on, with its data type. */
  def reset(column: ColumnVector, rows: Int): Unit = {
    base = column
    baseRows = rows
    if (`type` ne column.dataType) {
      `type` = column.dataType
      rowAligned = SelectedColumnVector.childrenAreRowAligned(`type`)
    }
  }

  override protected def target: ColumnVector = base
  override protected def targetRow(row: Int): Int = selection(row)

  /** Does nothing: the column shown belongs to its batch. */
  override def close(): Unit = ()

  /** Frees the column shown: a reader that is done with a batch of this column is done with that one. */
  override def closeIfFreeable(): Unit = if (base != null) CurrentSpark.closeIfFreeable(base)

  /** Whether the column shown has a NULL, perhaps only in rows that are not selected. */
  override def hasNull: Boolean = base.hasNull

  /** Returns the number of NULLs in all rows of the column shown, selected or not. */
  override def numNulls: Int = base.numNulls

  /**
   * Returns a child. One whose rows are this column's rows is shown through the selection too: ColumnarRow and getVariant read it
   * with this column's row numbers. The elements of an array or a map have their own rows.
   */
  override def getChild(ordinal: Int): ColumnVector = {
    val child = base.getChild(ordinal)
    if (!rowAligned || child == null) child
    else {
      if (ordinal >= children.length) children = children.padTo(ordinal + 1, null)
      if (children(ordinal) == null) children(ordinal) = new SelectedColumnVector(selection)
      val shown = children(ordinal)
      if ((shown.base ne child) || shown.baseRows != baseRows) shown.reset(child, baseRows)
      shown
    }
  }
}

private object SelectedColumnVector {
  private def childrenAreRowAligned(dataType: DataType): Boolean = dataType match {
    case _: ArrayType | _: MapType => false
    case user: UserDefinedType[_] => childrenAreRowAligned(user.sqlType)
    case _ => true
  }
}
