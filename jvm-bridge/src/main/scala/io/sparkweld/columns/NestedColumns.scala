package io.sparkweld
package columns

import io.sparkweld.ml.MlStages

import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ColumnarArray, ColumnarMap, ColumnVector}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * Presents a kernel's columns as one struct, map, array of structs or of times, or vector.
 *
 * A struct is stored as the columns of its fields, in order. One more column, if there is one, is NULL where the struct is. A map is
 * stored as three arrays: its keys, its values, and whether a value is NULL. The last array is itself NULL where no value is. An
 * array of structs is stored as two arrays for each field, its values and whether a value is NULL, and one of whether an element is.
 * An array of dates or timestamps is stored as that of their numbers.
 * Arrays within an array, or as the values of a map, are never NULL. They are stored as the indices at which they start and end among
 * the elements of all of them, and these elements.
 */
private[sparkweld] object NestedColumns {

  /** The type of the numbers of a vector. */
  val Numbers: DataType = ArrayType(DoubleType, containsNull = false)

  private val Bools = ArrayType(BooleanType)

  /** Returns the name and the type of each column of a value with parts, an array of times or a vector; None for another type. */
  def of(dataType: DataType): Option[Seq[(String, DataType)]] = dataType match {
    case struct: StructType => Some(struct.fields.toSeq.flatMap(columnsOf))
    case map: MapType if holds(map) =>
      Some(Seq("keys" -> ArrayType(map.keyType), "values" -> ArrayType(map.valueType), "absent" -> Bools))
    case times: ArrayType if isTimes(times) => Some(Seq("numbers" -> stored(times)))
    case ArrayType(struct: StructType, _) if holds(struct) =>
      val parts = struct.fields.toSeq.flatMap { field =>
        Seq(field.name -> stored(ArrayType(field.dataType)), s"${field.name}.absent" -> Bools)
      }
      Some(parts :+ ("absent" -> Bools))
    case MapType(key, values: ArrayType, _) if ListViews.holds(ArrayType(key)) && holdsLists(values) =>
      Some(("keys" -> ArrayType(key)) +: elementsOf(values, "values."))
    case ArrayType(inner: ArrayType, _) if holdsLists(inner) => Some(elementsOf(inner, ""))
    case vector if MlStages.isVector(vector) => Some(Seq("numbers" -> Numbers))
    case _ => None
  }

  /** Returns the columns of the elements of lists whose elements are arrays. */
  private def elementsOf(array: ArrayType, name: String): Seq[(String, DataType)] = {
    val bounds = Seq(s"${name}starts" -> NestedParts.Indices, s"${name}ends" -> NestedParts.Indices)
    array.elementType match {
      case inner: ArrayType => bounds ++ elementsOf(inner, s"${name}elements.")
      case leaf => bounds :+ (s"${name}elements" -> ArrayType(leaf))
    }
  }

  /** Whether the innermost elements of arrays within arrays are of a type that kernels support. */
  private def holdsLists(array: ArrayType): Boolean = array.elementType match {
    case inner: ArrayType => holdsLists(inner)
    case leaf => ListViews.holds(ArrayType(leaf))
  }

  /** Returns the same for a field of a struct; one column unless it is a map or has arrays within an array. */
  def columnsOf(field: StructField): Seq[(String, DataType)] = field.dataType match {
    case nested @ (_: MapType | ArrayType(_: ArrayType, _)) =>
      of(nested).fold(Seq(field.name -> field.dataType))(_.map { case (part, of) => s"${field.name}.$part" -> of })
    case array: ArrayType => Seq(field.name -> stored(array))
    case other => Seq(field.name -> other)
  }

  /** Returns the name and the type of the column that is NULL where a struct is; None for another type. */
  def presenceOf(dataType: DataType): Option[(String, DataType)] = dataType match {
    case _: StructType => Some("presence" -> BooleanType)
    case _ => None
  }

  /** Returns the struct, map or array of these columns, which it does not own. */
  def vector(dataType: DataType, columns: Seq[NativeColumnVector]): ColumnVector = made(dataType, columns.iterator)

  private def made(dataType: DataType, columns: Iterator[NativeColumnVector]): ColumnVector = dataType match {
    case struct: StructType =>
      val fields = struct.fields.map(field => made(field.dataType, columns))
      new StructColumnVector(struct, fields, columns.nextOption())
    case map @ MapType(_, values: ArrayType, _) =>
      val keys = columns.next()
      new MapColumnVector(map, keys, nested(values, columns))
    case map: MapType =>
      val (keys, values, absent) = (columns.next(), columns.next(), columns.next())
      new MapColumnVector(map, keys, row => ListViews.elements(values.dataAddress, row, map.valueType, nulls(absent, row)))
    case ArrayType(inner: ArrayType, _) =>
      val starts = columns.next()
      new ListsColumnVector(dataType, starts, nested(inner, Iterator(starts) ++ columns))
    case times: ArrayType if isTimes(times) => new TimesColumnVector(times, columns.next())
    case ArrayType(struct: StructType, _) if holds(struct) =>
      val fields = struct.fields.map(_ => columns.next() -> columns.next())
      new StructsColumnVector(dataType, struct, fields, columns.next())
    case vector if MlStages.isVector(vector) => new DenseVectorColumn(columns.next())
    case _ => columns.next()
  }

  /** Returns the elements of one row's list of arrays. */
  private def nested(array: ArrayType, columns: Iterator[NativeColumnVector]): Int => ColumnVector = {
    val (starts, ends) = (columns.next(), columns.next())
    val inside: Int => ColumnVector = array.elementType match {
      case inner: ArrayType => nested(inner, columns)
      case leaf =>
        val elements = columns.next()
        row => ListViews.elements(elements.dataAddress, row, leaf)
    }
    row => new Slices(array, ListViews.elements(starts.dataAddress, row, LongType), ListViews.elements(ends.dataAddress, row, LongType),
      inside(row))
  }

  /** Whether keys and values are types of elements that kernels support. */
  def holds(map: MapType): Boolean = Seq(map.keyType, map.valueType).forall(of => ListViews.holds(ArrayType(of)))

  /** Whether the fields of an array's structs are types of elements that kernels support. */
  def holds(struct: StructType): Boolean = struct.nonEmpty && struct.forall(field => ListViews.holds(stored(ArrayType(field.dataType))))

  private def isTimes(array: ArrayType): Boolean = NestedParts.isTime(array.elementType)

  /** Returns the type of the array that an array is stored as. */
  private def stored(array: ArrayType): ArrayType = array.elementType match {
    case DateType => array.copy(elementType = IntegerType)
    case TimestampType | TimestampNTZType => array.copy(elementType = LongType)
    case _ => array
  }

  /** Returns the address of a row's null bytes; 0 where nothing in the row is NULL. */
  private[columns] def nulls(absent: NativeColumnVector, row: Int): Long =
    if (absent.isNullAt(row)) 0 else StringViews.address(absent.dataAddress, row)
}

/**
 * Presents keys and values as maps. A map is NULL where the array of its keys is.
 *
 * @param values returns the values of one row's map
 */
private final class MapColumnVector(map: MapType, keys: NativeColumnVector, values: Int => ColumnVector) extends NestedVector(map) {
  override def hasNull: Boolean = keys.hasNull
  override def numNulls: Int = keys.numNulls
  override def isNullAt(row: Int): Boolean = keys.isNullAt(row)
  override def getMap(row: Int): ColumnarMap =
    if (isNullAt(row)) null
    else new ColumnarMap(
      ListViews.elements(keys.dataAddress, row, map.keyType),
      values(row), 0, StringViews.length(keys.dataAddress, row))
  override def getChild(ordinal: Int): ColumnVector = none
}

/**
 * Presents arrays of arrays, which are NULL where the array of their starts is.
 *
 * @param elements returns the arrays of one row
 */
private final class ListsColumnVector(dataType: DataType, starts: NativeColumnVector, elements: Int => ColumnVector)
    extends NestedVector(dataType) {
  override def hasNull: Boolean = starts.hasNull
  override def numNulls: Int = starts.numNulls
  override def isNullAt(row: Int): Boolean = starts.isNullAt(row)
  override def getArray(row: Int): ColumnarArray =
    if (isNullAt(row)) null else new ColumnarArray(elements(row), 0, StringViews.length(starts.dataAddress, row))
  override def getMap(row: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = none
}

/** Presents arrays of days, or of microseconds, as arrays of dates or timestamps. */
private final class TimesColumnVector(dataType: ArrayType, numbers: NativeColumnVector) extends NestedVector(dataType) {
  override def hasNull: Boolean = numbers.hasNull
  override def numNulls: Int = numbers.numNulls
  override def isNullAt(row: Int): Boolean = numbers.isNullAt(row)
  override def getArray(row: Int): ColumnarArray =
    if (isNullAt(row)) null else ListViews.array(numbers.dataAddress, row, dataType.elementType)
  override def getMap(row: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = none
}

/** Presents ranges of elements as arrays, none of which is NULL. */
private final class Slices(dataType: DataType, starts: ColumnVector, ends: ColumnVector, elements: ColumnVector)
    extends NestedVector(dataType) {
  override def hasNull: Boolean = false
  override def numNulls: Int = 0
  override def isNullAt(at: Int): Boolean = false
  override def getArray(at: Int): ColumnarArray = {
    val start = starts.getLong(at).toInt
    new ColumnarArray(elements, start, ends.getLong(at).toInt - start)
  }
  override def getMap(at: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = none
}

/**
 * Presents columns of equally long arrays as arrays of structs. An array is NULL where that of its first field is.
 *
 * @param fields for each field, its values and whether they are NULL
 * @param absent whether an element is NULL
 */
private final class StructsColumnVector(
    dataType: DataType, struct: StructType, fields: Array[(NativeColumnVector, NativeColumnVector)], absent: NativeColumnVector)
    extends NestedVector(dataType) {
  private val first = fields.head._1

  override def hasNull: Boolean = first.hasNull
  override def numNulls: Int = first.numNulls
  override def isNullAt(row: Int): Boolean = first.isNullAt(row)
  override def getArray(row: Int): ColumnarArray =
    if (isNullAt(row)) null
    else {
      val children = fields.zip(struct.fields).map { case ((values, absent), field) =>
        ListViews.elements(values.dataAddress, row, field.dataType, NestedColumns.nulls(absent, row))
      }
      val elements = new StructElements(struct, children, NestedColumns.nulls(absent, row))
      new ColumnarArray(elements, 0, StringViews.length(first.dataAddress, row))
    }
  override def getMap(row: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = none
}

/** Presents the elements of one array of structs. `nulls`: the address of their null bytes, 0 when none is NULL. */
private final class StructElements(struct: StructType, fields: Array[ColumnVector], nulls: Long) extends NestedVector(struct) {
  override def hasNull: Boolean = nulls != 0
  override def numNulls: Int = none
  override def isNullAt(element: Int): Boolean = nulls != 0 && Platform.getByte(null, nulls + element) != 0
  override def getMap(element: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = fields(ordinal)
}

/** Presents columns as the fields of one struct, which is NULL where `presence` is, or never without it. */
private final class StructColumnVector(struct: StructType, fields: Array[ColumnVector], presence: Option[NativeColumnVector])
    extends NestedVector(struct) {
  override def hasNull: Boolean = presence.exists(_.hasNull)
  override def numNulls: Int = presence.fold(0)(_.numNulls)
  override def isNullAt(row: Int): Boolean = presence.exists(_.isNullAt(row))
  override def getMap(row: Int): ColumnarMap = none
  override def getChild(ordinal: Int): ColumnVector = fields(ordinal)
}

/** A vector without values of its own, which owns nothing. */
private[columns] abstract class NestedVector(dataType: DataType) extends ColumnVector(dataType) {
  override def close(): Unit = ()
  override def closeIfFreeable(): Unit = ()

  override def getBoolean(row: Int): Boolean = none
  override def getByte(row: Int): Byte = none
  override def getShort(row: Int): Short = none
  override def getInt(row: Int): Int = none
  override def getLong(row: Int): Long = none
  override def getFloat(row: Int): Float = none
  override def getDouble(row: Int): Double = none
  override def getArray(row: Int): ColumnarArray = none
  override def getDecimal(row: Int, precision: Int, scale: Int): Decimal = none
  override def getUTF8String(row: Int): UTF8String = none
  override def getBinary(row: Int): Array[Byte] = none

  protected def none: Nothing = throw new UnsupportedOperationException(s"a value of type ${dataType.catalogString} has parts only")
}
