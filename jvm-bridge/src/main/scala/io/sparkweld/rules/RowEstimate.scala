package io.sparkweld
package rules

import scala.util.control.NonFatal

import io.sparkweld.compile.Lru
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.ParquetFooter

import org.apache.hadoop.fs.FileStatus
import org.apache.spark.NarrowDependency
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.catalyst.plans.logical.{Expand, Generate, Join, LogicalPlan}
import org.apache.spark.sql.catalyst.plans.logical.statsEstimation.EstimationUtils
import org.apache.spark.sql.execution.LogicalRDD
import org.apache.spark.sql.execution.datasources.{HadoopFsRelation, LogicalRelation, PartitioningAwareFileIndex}
import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat
import org.apache.spark.sql.internal.SQLConf

/**
 * Estimates the number of a plan's rows without reading its tables.
 *
 * It is that of the largest table: without statistics Spark assumes that a join returns all pairs of rows, and that a filter
 * keeps all.
 */
private[rules] object RowEstimate {
  /** The size of a pickled row of a few numbers. */
  private val BytesPerRow = 20
  private val HeldBytes = 1L << 20
  /** Row counts of recently inspected Parquet files, by path, size and time. */
  private val footers = new Lru[(String, Long, Long), java.lang.Long](256)

  /** Returns the estimate per concurrent task; 0 where a table is unknown, such as an RDD. */
  def ofTask(plan: LogicalPlan, conf: SQLConf): Long =
    (of(plan, conf) / math.max(1, CurrentSpark.activeSession.sparkContext.defaultParallelism)).min(Long.MaxValue).toLong

  /** Returns the total estimate; 0 when unknown. */
  def of(plan: LogicalPlan, conf: SQLConf): BigInt = {
    val below = if (plan.children.isEmpty) ofTable(plan, conf) else plan.children.map(of(_, conf)).max
    plan.maxRows.fold(below)(below.min(_))
  }

  /** Returns an upper estimate of a plan's rows from its tables; None when a table is unknown or a node generates rows. */
  def atMost(plan: LogicalPlan): Option[BigInt] = {
    val below = plan match {
      case rdd: LogicalRDD => rdd.stats.rowCount.orElse(ofCollection(rdd.rdd))
      case _: Generate | _: Expand => None
      case leaf if leaf.children.isEmpty => Some(ofTable(leaf, leaf.conf)).filter(_ > 0).orElse(leaf.maxRows.map(BigInt(_)))
      case other =>
        val rows = other.children.map(atMost)
        Option.when(rows.forall(_.nonEmpty))(rows.flatten).map(known => if (other.isInstanceOf[Join]) known.product else known.sum)
    }
    (below ++ plan.maxRows.map(BigInt(_))).minOption
  }

  /** Estimates an RDD over data that the driver holds, such as that of `createDataFrame`, from the bytes of its pickles. */
  private def ofCollection(rdd: RDD[_]): Option[BigInt] =
    try rdd.dependencies match {
      case Seq(one: NarrowDependency[_]) => ofCollection(one.rdd)
      case none if none.isEmpty => CurrentSpark.parallelizedBytes(rdd).filter(_ <= HeldBytes).map(bytes => BigInt(bytes / BytesPerRow))
      case _ => None
    } catch { case NonFatal(_) => None }

  /** Returns the number of groups of the columns, where the plan has statistics of each column. */
  def groups(keys: Seq[Attribute], plan: LogicalPlan): Option[BigInt] = {
    val leaves = plan.collectLeaves()
    val counts = keys.map { key =>
      leaves.find(_.outputSet.contains(key)).flatMap(_.stats.attributeStats.get(key)).flatMap(_.distinctCount)
    }
    Option.when(counts.forall(_.nonEmpty))(counts.flatten.product)
  }

  private def ofTable(leaf: LogicalPlan, conf: SQLConf): BigInt = leaf.stats.rowCount.orElse(ofParquet(leaf)).getOrElse {
    val bytes = leaf.stats.sizeInBytes
    if (bytes >= conf.defaultSizeInBytes) BigInt(0) else bytes / EstimationUtils.getSizePerRow(leaf.output)
  }

  /**
   * Estimates rows from the rows per byte in the largest file's footer, because a row's width in a file differs much from that in
   * Spark.
   */
  private def ofParquet(leaf: LogicalPlan): Option[BigInt] = leaf match {
    case relation: LogicalRelation => relation.relation match {
      case files: HadoopFsRelation if files.fileFormat.isInstanceOf[ParquetFileFormat] => files.location match {
        case index: PartitioningAwareFileIndex =>
          val all = index.allFiles().filter(_.getLen > 0)
          all.maxByOption(_.getLen).flatMap(rowsOf).map(BigInt(_) * all.map(f => BigInt(f.getLen)).sum / all.map(_.getLen).max)
        case _ => None
      }
      case _ => None
    }
    case _ => None
  }

  private def rowsOf(file: FileStatus): Option[Long] = {
    val key = (file.getPath.toString, file.getLen, file.getModificationTime)
    footers.get(key).map(_.longValue).orElse {
      try {
        val rows = ParquetFooter.rows(file, CurrentSpark.activeSession.sessionState.newHadoopConf())
        footers.put(key, rows)
        Some(rows)
      } catch { case NonFatal(_) => None } // the scan will report the problem
    }
  }
}
