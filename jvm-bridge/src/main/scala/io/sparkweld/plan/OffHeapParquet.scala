package io.sparkweld
package plan

import io.sparkweld.spark.ConfiguredParquet

import org.apache.spark.sql.internal.SQLConf

/** Reads Parquet files as Spark's format does, but always into off-heap vectors. */
final class OffHeapParquet extends ConfiguredParquet {
  override protected def configured(conf: SQLConf): SQLConf = {
    val changed = conf.clone()
    changed.setConf(SQLConf.COLUMN_VECTOR_OFFHEAP_ENABLED, true)
    changed
  }
}
