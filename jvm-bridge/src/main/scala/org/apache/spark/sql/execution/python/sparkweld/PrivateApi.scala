package org.apache.spark.sql.execution.python.sparkweld

import scala.jdk.CollectionConverters._

import io.sparkweld.spark.{FinishedQuery, RowConverter}

import org.apache.arrow.memory.BufferAllocator
import org.apache.arrow.vector.FieldVector
import org.apache.spark.{JobArtifactSet, SparkConf, SparkContext, SparkEnv, SparkUnsupportedOperationException, TaskContext}
import org.apache.spark.api.python.{PythonBroadcast, PythonException, PythonFunction, PythonUtils, SimplePythonFunction}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.memory.TaskMemoryManager
import org.apache.spark.rdd.{ParallelCollectionRDD, RDD}
import org.apache.spark.scheduler.SparkListenerEvent
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.execution.RowToColumnConverter
import org.apache.spark.sql.execution.python.ArrowPythonRunner
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd
import org.apache.spark.sql.execution.vectorized.WritableColumnVector
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.util.ArrowUtils

/**
 * Forwards the `private[spark]`, `private[sql]` and `private[python]` members of Spark that `io.sparkweld.spark` exposes.
 *
 * Only code below `org.apache.spark.sql.execution.python` may access all of them. They are the same in all supported lines of
 * Spark; what differs is in the folder of the line.
 */
object PrivateApi {
  /** The code of a Python function, with the environment in which it runs. */
  type Function = PythonFunction

  def conf(context: SparkContext): SparkConf = context.conf

  def finished(event: SparkListenerSQLExecutionEnd): Option[FinishedQuery] =
    Option(event.qe).map(FinishedQuery(_, event.duration, event.executionFailure.isDefined))

  def post(context: SparkContext, event: SparkListenerEvent): Unit = context.listenerBus.post(event)

  def isDriver: Boolean = SparkEnv.get.executorId == SparkContext.DRIVER_IDENTIFIER

  def removeLocal(broadcast: Broadcast[_]): Unit = SparkEnv.get.blockManager.removeBroadcast(broadcast.id, tellMaster = true)

  def killTaskIfInterrupted(context: TaskContext): Unit = context.killTaskIfInterrupted()

  def memoryManager(context: TaskContext): TaskMemoryManager = context.taskMemoryManager()

  /** Returns the collection that the driver parallelized; None for any other RDD. */
  def parallelized(rdd: RDD[_]): Option[Any] = rdd match {
    case held: ParallelCollectionRDD[_] =>
      val field = classOf[ParallelCollectionRDD[_]].getDeclaredField("data")
      field.setAccessible(true)
      Some(field.get(held))
    case _ => None
  }

  def artifactId: Option[String] = JobArtifactSet.getCurrentJobArtifactState.map(_.uuid)

  def sparkPythonPath: String = PythonUtils.sparkPythonPath

  def function(like: Function, command: Array[Byte], chain: Seq[Function]): Function = {
    val broadcasts = chain.flatMap(_.broadcastVars.asScala)
    val first = broadcasts.indices.filter(i => broadcasts.indexWhere(_.id == broadcasts(i).id) == i)
    SimplePythonFunction(command.toIndexedSeq, like.envVars, like.pythonIncludes, like.pythonExec, like.pythonVer,
      first.map(broadcasts).asJava, like.accumulator)
  }

  /** Returns a function of this interpreter, without files, broadcasts or variables of its own. */
  def function(command: Array[Byte], pythonExec: String): Function = SimplePythonFunction(command.toIndexedSeq,
    new java.util.HashMap[String, String], new java.util.ArrayList[String], pythonExec, "", new java.util.ArrayList[Broadcast[PythonBroadcast]], null)

  def workerSettings(conf: SQLConf): Map[String, String] = ArrowPythonRunner.getPythonRunnerConfMap(conf)

  val pythonException: Class[_ <: Throwable] = classOf[PythonException]

  def arrowAllocator(name: String): BufferAllocator = ArrowUtils.rootAllocator.newChildAllocator(name, 0, Long.MaxValue)

  def arrowVector(column: Attribute, zone: String, allocator: BufferAllocator): FieldVector =
    ArrowUtils.toArrowField(column.name, column.dataType, nullable = true, zone).createVector(allocator)

  def rowConverter(schema: StructType): RowConverter = new SparkRowConverter(new RowToColumnConverter(schema))

  def isConvertible(schema: StructType): Boolean =
    try {
      rowConverter(schema)
      true
    } catch { case _: SparkUnsupportedOperationException => false }
}

private final class SparkRowConverter(converter: RowToColumnConverter) extends RowConverter {
  override def convert(row: InternalRow, vectors: Array[WritableColumnVector]): Unit = converter.convert(row, vectors)
}
