package io.sparkweld.spark

import org.apache.spark.sql.{ExtendedExplainGenerator, SparkSession}
import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DataType, StructType}
import org.apache.spark.sql.vectorized.ColumnVector
import org.apache.spark.unsafe.types.{BinaryView, TimestampNanosVal}

/** Adds text to Spark's `explain`. */
trait ExplainProvider extends ExtendedExplainGenerator

/** Reads Parquet files as Spark's format does, with settings other than those of the session. */
abstract class ConfiguredParquet extends ParquetFileFormat {
  protected def configured(conf: SQLConf): SQLConf

  override def getSqlConf(sparkSession: SparkSession): SQLConf = configured(super.getSqlConf(sparkSession))

  override def vectorTypes(requiredSchema: StructType, partitionSchema: StructType, conf: SQLConf): Option[Seq[String]] =
    super.vectorTypes(requiredSchema, partitionSchema, configured(conf))
}

/** Forwards the getters that only some lines of Spark have to another row of another column. */
abstract class ForwardingColumnVector(dataType: DataType) extends ColumnVector(dataType) {

  /** The column whose values this one has. */
  protected def target: ColumnVector

  /** Returns the row of `target` for a row of this column. */
  protected def targetRow(row: Int): Int

  override def getBinaryView(row: Int): BinaryView = target.getBinaryView(targetRow(row))
  override def getTimestampNTZNanos(row: Int): TimestampNanosVal = target.getTimestampNTZNanos(targetRow(row))
  override def getTimestampLTZNanos(row: Int): TimestampNanosVal = target.getTimestampLTZNanos(targetRow(row))
}
