package io.sparkweld
package columns

import org.apache.spark.sql.execution.vectorized.ConstantColumnVector
import org.apache.spark.sql.types.{ArrayType, ByteType, DataType, IntegerType}
import org.apache.spark.sql.vectorized.{ColumnarMap, ColumnVector}

/** Presents arrays of doubles as dense ML vectors in Spark's storage form. A vector is NULL where its array is. */
private final class DenseVectorColumn(numbers: ColumnVector) extends NestedVector(VectorColumn.Layout) {
  private val children = Array[ColumnVector](dense, nulls(IntegerType), nulls(ArrayType(IntegerType, containsNull = false)), numbers)

  override def hasNull: Boolean = numbers.hasNull
  override def numNulls: Int = numbers.numNulls
  override def isNullAt(row: Int): Boolean = numbers.isNullAt(row)
  override def getMap(row: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = children(ordinal)

  private def dense: ColumnVector = {
    val column = new ConstantColumnVector(1, ByteType)
    column.setNotNull()
    column.setByte(VectorColumn.Dense)
    column
  }

  private def nulls(dataType: DataType): ColumnVector = {
    val column = new ConstantColumnVector(1, dataType)
    column.setNull()
    column
  }
}
