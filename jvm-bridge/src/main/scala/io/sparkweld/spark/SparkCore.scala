package io.sparkweld
package spark

import org.apache.spark.{SparkConf, SparkContext, TaskContext}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.memory.TaskMemoryManager
import org.apache.spark.rdd.RDD
import org.apache.spark.scheduler.SparkListenerEvent
import org.apache.spark.sql.execution.python.sparkweld.PrivateApi
import org.apache.spark.ui.sparkweld.WeldTab

/** Exposes the configuration, the tasks and the storage of Spark's core. */
trait SparkCore {

  /** Returns the application's configuration itself; `SparkContext.getConf` copies it. */
  final def sparkConf(context: SparkContext): SparkConf = PrivateApi.conf(context)

  /**
   * Adds `value`, unless present, to the comma-separated list under `key` of the configuration that sessions of this context
   * start from.
   */
  final def appendToList(context: SparkContext, key: String, value: String): Unit = {
    val present = sparkConf(context).get(key, "").split(',').map(_.trim).filter(_.nonEmpty).toSeq
    if (!present.contains(value)) sparkConf(context).set(key, (present :+ value).mkString(","))
  }

  /** Passes an event of our own to the listeners of the application and to its event log. */
  final def post(context: SparkContext, event: SparkListenerEvent): Unit = PrivateApi.post(context, event)

  /** Shows the tab SparkWeld in the UI of the application, if it has one. */
  final def showTab(context: SparkContext): Unit = WeldTab.show(context)

  /** Drops this executor's copy of a broadcast, which can be fetched again; the driver's copy stays. */
  final def dropLocalCopy(broadcast: Broadcast[_]): Unit =
    if (!PrivateApi.isDriver) PrivateApi.removeLocal(broadcast)

  /**
   * Returns the bytes of the pickles that an RDD of driver data holds, as Python's `parallelize` makes it; None for any other
   * RDD.
   */
  final def parallelizedBytes(rdd: RDD[_]): Option[Long] = PrivateApi.parallelized(rdd).flatMap {
    case data: scala.collection.Seq[_] =>
      val sizes = data.map { case bytes: Array[Byte] => bytes.length.toLong; case _ => Long.MinValue }
      Option.when(sizes.forall(_ >= 0))(sizes.sum)
    case _ => None
  }

  /** Throws TaskKilledException when the task was killed. */
  final def killTaskIfInterrupted(context: TaskContext): Unit = PrivateApi.killTaskIfInterrupted(context)

  /** Returns what accounts the memory of a task; null in tests without one. */
  final def memoryManager(context: TaskContext): TaskMemoryManager = PrivateApi.memoryManager(context)
}
