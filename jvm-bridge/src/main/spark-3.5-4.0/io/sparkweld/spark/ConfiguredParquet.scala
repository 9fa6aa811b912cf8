package io.sparkweld
package spark

import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat
import org.apache.spark.sql.internal.SQLConf

/** Reads Parquet files as Spark's format does: this line offers no way to read them with settings other than the session's. */
abstract class ConfiguredParquet extends ParquetFileFormat {
  protected def configured(conf: SQLConf): SQLConf
}
