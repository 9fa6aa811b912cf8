package io.sparkweld
package spark

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.StructType

/** Reads Parquet files as Spark's format does, with settings other than those of the session. */
abstract class ConfiguredParquet extends ParquetFileFormat {
  protected def configured(conf: SQLConf): SQLConf

  override def getSqlConf(sparkSession: SparkSession): SQLConf = configured(super.getSqlConf(sparkSession))

  override def vectorTypes(requiredSchema: StructType, partitionSchema: StructType, conf: SQLConf): Option[Seq[String]] =
    super.vectorTypes(requiredSchema, partitionSchema, configured(conf))
}
