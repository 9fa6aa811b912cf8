package io.sparkweld
package spark

import org.apache.spark.{SparkContext, SparkEnv, TaskContext}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, PythonUDF}
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.python.sparkweld.PrivateApi
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.vectorized.ColumnarBatch

/** Exposes how Spark runs Python functions: its evaluators, their settings and metrics, and the exceptions of workers. */
trait SparkPython {

  /** The code of a Python function, with the environment in which it runs. */
  final type PythonFunction = PrivateApi.Function

  /** Creates Spark's own evaluators of one node of Python UDFs, with that node's arguments. Called on the driver. */
  def pythonEvaluator(
      udfs: Seq[PythonUDF],
      childOutput: Seq[Attribute],
      resultAttrs: Seq[Attribute],
      evalType: Int,
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): PythonEvaluator

  /** Creates Spark's own evaluator of a mapInPandas or mapInArrow node, with that node's arguments. Called on the driver. */
  def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator

  /** Creates the metrics of Spark's own Python operators, by their usual names. */
  def pythonMetrics(context: SparkContext): Map[String, SQLMetric]

  /** Returns the JVM exception for a worker's exception. `error`: "<class>: <message>", the last line of its traceback. */
  def pythonException(error: String): RuntimeException

  /** Whether Spark would feed columnar batches of a scan whole to the scalar pandas functions right above it. */
  def feedsColumnarBatches(conf: SQLConf): Boolean

  /** Whether functions in Python receive arguments by name. */
  def passesNamedArguments: Boolean

  /** Returns the bytes after which Spark ends an Arrow batch of rows. */
  def arrowBytesPerBatch(conf: SQLConf): Long

  /** Returns the settings that PySpark's runner passes to a worker, as the worker will see them. */
  final def workerSettings(conf: SQLConf): Map[String, String] = PrivateApi.workerSettings(conf)

  /** Whether `problem` is the JVM exception for a worker's exception. */
  final def isPythonException(problem: Throwable): Boolean = PrivateApi.pythonException.isInstance(problem)

  /** Whether a worker's exception failed a job: it is a cause, or the message of a failed task names it. */
  final def raisedInPython(problem: Throwable): Boolean =
    Iterator.iterate(problem)(_.getCause).takeWhile(_ != null).take(16) // causes may form a cycle
      .exists(cause => isPythonException(cause) || String.valueOf(cause.getMessage).contains(PrivateApi.pythonException.getName))

  /** Returns `function` with another command, which may read the broadcasts of all of `chain`. */
  final def withCommand(function: PythonFunction, command: Array[Byte], chain: Seq[PythonFunction]): PythonFunction =
    PrivateApi.function(function, command, chain)

  /** Returns a function of this interpreter, without files, broadcasts or variables of its own. */
  final def function(command: Array[Byte], pythonExec: String): PythonFunction = PrivateApi.function(command, pythonExec)

  /** Returns the same call with another command. */
  final def withCommand(udf: PythonUDF, command: Array[Byte]): PythonUDF =
    udf.copy(func = PrivateApi.function(udf.func, command, Seq(udf.func)))

  /** Returns the import path of Spark's own Python sources, where SPARK_HOME has them. */
  final def sparkPythonPath: String = PrivateApi.sparkPythonPath

  /** Returns the id of a Connect session's files, whose folder its workers start in. */
  final def artifactId: Option[String] = PrivateApi.artifactId

  /** Whether the files of Python broadcasts are encrypted, so that no other process can read them. */
  final def broadcastsAreEncrypted: Boolean = SparkEnv.get.conf.getBoolean("spark.io.encryption.enabled", false)
}

/** Runs the functions of one node of Python UDFs as Spark's own node does. Serializable. */
trait PythonEvaluator extends Serializable {

  /** Whether Spark feeds whole batches to the node. */
  def takesColumnarInput: Boolean

  /** Streams rows (UnsafeRow, schema of the child) through one Python run; returns rows of child ++ results. */
  def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow]

  /** Streams batches through one Python run, one Arrow batch for each, as the columnar node does. */
  def evalBatches(partition: Int, input: Iterator[ColumnarBatch]): Iterator[ColumnarBatch]

  /** Runs only the functions: maps rows of `call.arguments` to rows of the results, in order, without queuing any. */
  def evalCall(call: PythonCall, input: Iterator[InternalRow], context: TaskContext): Iterator[InternalRow]
}

/** Runs one mapInPandas or mapInArrow node as Spark's own node does. Serializable. */
trait MapEvaluator extends Serializable {

  /** Streams rows of the child through one Python run; returns rows of the output. */
  def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow]
}
