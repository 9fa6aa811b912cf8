package io.sparkweld.plan

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.StructType

/** Reads Parquet files as Spark's format does, but always into off-heap vectors. */
final class OffHeapParquet extends ParquetFileFormat {
  override def getSqlConf(sparkSession: SparkSession): SQLConf = withOffHeap(super.getSqlConf(sparkSession))

  override def vectorTypes(requiredSchema: StructType, partitionSchema: StructType, conf: SQLConf): Option[Seq[String]] =
    super.vectorTypes(requiredSchema, partitionSchema, withOffHeap(conf))

  private def withOffHeap(conf: SQLConf): SQLConf = {
    val changed = conf.clone()
    changed.setConf(SQLConf.COLUMN_VECTOR_OFFHEAP_ENABLED, true)
    changed
  }
}
