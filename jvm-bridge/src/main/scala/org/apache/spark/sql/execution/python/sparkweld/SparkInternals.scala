package org.apache.spark.sql.execution.python.sparkweld

import java.io.File

import scala.collection.mutable.ArrayBuffer
import scala.jdk.CollectionConverters._

import io.sparkweld.host.PythonLaunch

import org.apache.arrow.memory.BufferAllocator
import org.apache.arrow.vector.FieldVector
import org.apache.spark.{JobArtifactSet, QueryContext, SparkConf, SparkContext, SparkEnv, SparkFiles, TaskContext}
import org.apache.spark.SparkUnsupportedOperationException
import org.apache.spark.api.python.{ChainedPythonFunctions, PythonEvalType, PythonException, PythonFunction, PythonUtils, SimplePythonFunction}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.rdd.{ParallelCollectionRDD, RDD}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, NamedArgumentExpression, PythonUDF}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.classic.SparkSession
import org.apache.spark.sql.execution.{RowToColumnConverter, SparkPlan}
import org.apache.spark.sql.execution.arrow.ArrowWriter
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.execution.python._
import org.apache.spark.sql.execution.python.EvalPythonExec.ArgumentMetadata
import org.apache.spark.sql.execution.vectorized.WritableColumnVector
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DataType, StructField, StructType}
import org.apache.spark.sql.util.ArrowUtils
import org.apache.spark.sql.vectorized.ColumnarBatch
import org.apache.spark.util.ArrayImplicits._

/**
 * Exposes the few `private[spark]`, `private[sql]` and `private[python]` calls of Spark 4.3 that SparkWeld makes.
 *
 * It is in this package because only code below `org.apache.spark.sql.execution.python` may access the evaluators of Python
 * functions. Another Spark line needs another copy of this file and nothing else.
 */
object SparkInternals {

  /**
   * Adds `value`, unless present, to the comma-separated list under `key` of the configuration that sessions of this context
   * start from.
   */
  def appendToList(context: SparkContext, key: String, value: String): Unit = {
    val present = context.conf.get(key, "").split(',').map(_.trim).filter(_.nonEmpty).toSeq
    if (!present.contains(value)) context.conf.set(key, (present :+ value).mkString(","))
  }

  /** Drops this executor's copy of a broadcast, which can be fetched again; the driver's copy stays. */
  def forgetHere(broadcast: Broadcast[_]): Unit = {
    val environment = SparkEnv.get
    if (environment.executorId != SparkContext.DRIVER_IDENTIFIER) environment.blockManager.removeBroadcast(broadcast.id, tellMaster = true)
  }

  /**
   * Returns the bytes of the pickles that an RDD of driver data holds, as Python's `parallelize` makes it; None for any other
   * RDD.
   */
  def heldBytes(rdd: RDD[_]): Option[Long] = rdd match {
    case held: ParallelCollectionRDD[_] =>
      val field = classOf[ParallelCollectionRDD[_]].getDeclaredField("data")
      field.setAccessible(true)
      field.get(held) match {
        case data: scala.collection.Seq[_] =>
          val sizes = data.map { case bytes: Array[Byte] => bytes.length.toLong; case _ => Long.MinValue }
          Option.when(sizes.forall(_ >= 0))(sizes.sum)
        case _ => None
      }
    case _ => None
  }

  /** Throws TaskKilledException when the task was killed. */
  def killTaskIfInterrupted(context: TaskContext): Unit = context.killTaskIfInterrupted()

  /**
   * Returns the workers' import path as seen by this JVM: Spark's own Python sources, where SPARK_HOME has them, then the user's.
   * When pip installed Spark into this very Python, its sources are importable anyway, and four times faster than from the zip.
   */
  def servicePythonPath(python: String, userPath: Option[String]): String = {
    val spark = if (sys.env.get("SPARK_HOME").exists(isInstalledIn(python, _))) Nil else Seq(PythonUtils.sparkPythonPath)
    PythonUtils.mergePythonPaths(spark ++ userPath ++ sys.env.get("PYTHONPATH"): _*)
  }

  /** Whether this JVM, or one like it on this machine, starts the workers in its own working directory. */
  def isLocal(conf: SparkConf): Boolean = {
    val master = conf.get("spark.master", "")
    master == "local" || master.startsWith("local[")
  }

  private def isInstalledIn(python: String, sparkHome: String): Boolean = {
    val folders = if (python.contains(File.separator)) Nil else sys.env.getOrElse("PATH", "").split(File.pathSeparator).toSeq
    val executable = folders.map(new File(_, python)).find(_.canExecute).getOrElse(new File(python))
    val prefix = Option(executable.getAbsoluteFile.getParentFile).flatMap(bin => Option(bin.getParentFile))
    val home = new File(sparkHome).getAbsoluteFile
    def libraries(of: File) = of.toPath.normalize.resolve("lib")
    new File(home, "__init__.py").isFile && prefix.exists(p => home.toPath.normalize.startsWith(libraries(p)))
  }

  /**
   * Returns the directories and archives that a worker would put on sys.path for `function`, in its order: the folder of added
   * files, then each of `pythonIncludes` in it. On Connect the files of a session are in a folder named by its artifact id.
   */
  def includePaths(function: PythonFunction): Seq[String] = includePaths(function.pythonIncludes.asScala.toSeq)

  /** As above, for names of `pythonIncludes`; in a task, those of its executor. */
  def includePaths(names: Seq[String]): Seq[String] = {
    val root = SparkFiles.getRootDirectory()
    val folder = artifactFolder.filter(_.isDirectory).map(_.getPath).getOrElse(root)
    val files = names.map { name =>
      val candidates = Seq(new File(folder, name), new File(root, name))
      candidates.find(_.exists()).getOrElse(candidates.head).getPath
    }
    folder +: files
  }

  /** Returns the folder of a Connect session's files, in which its workers are started. */
  def artifactFolder: Option[File] =
    JobArtifactSet.getCurrentJobArtifactState.map(state => new File(SparkFiles.getRootDirectory(), state.uuid))

  /** Returns the folder in which workers are started, when it is known here and exists. */
  def workerFolder(conf: SparkConf): Option[String] = artifactFolder match {
    case Some(folder) => Some(folder.getAbsolutePath).filter(_ => folder.isDirectory)
    case None => Option.when(isLocal(conf))(PythonLaunch.workingDirectory.toString)
  }

  /** Returns `function` with another command, which may read the broadcasts of all of `chain`. */
  def withCommand(function: PythonFunction, command: Array[Byte], chain: Seq[PythonFunction]): PythonFunction =
    SimplePythonFunction(command.toImmutableArraySeq, function.envVars, function.pythonIncludes, function.pythonExec, function.pythonVer,
      chain.flatMap(_.broadcastVars.asScala).distinctBy(_.id).asJava, function.accumulator)

  /** Returns the settings that PySpark's runner passes to a worker, as the worker will see them. */
  def workerSettings(conf: SQLConf): Map[String, String] = ArrowPythonRunner.getPythonRunnerConfMap(conf)

  /** Returns the same call with another command. */
  def withCommand(udf: PythonUDF, command: Array[Byte]): PythonUDF = {
    val function = udf.func
    udf.copy(func = SimplePythonFunction(command.toIndexedSeq, function.envVars, function.pythonIncludes, function.pythonExec,
      function.pythonVer, function.broadcastVars, function.accumulator))
  }

  /** Creates the metrics of Spark's own Python operators, by their usual names. */
  def pythonMetrics(context: SparkContext): Map[String, SQLMetric] =
    PythonSQLMetrics.pythonSizeMetricsDesc.map { case (k, v) => k -> SQLMetrics.createSizeMetric(context, v) } ++
      PythonSQLMetrics.pythonTimingMetricsDesc.map { case (k, v) => k -> SQLMetrics.createTimingMetric(context, v) } ++
      PythonSQLMetrics.pythonOtherMetricsDesc.map { case (k, v) => k -> SQLMetrics.createMetric(context, v) }

  /** Creates Spark's own evaluators of one node of Python UDFs, with that node's arguments. Called on the driver. */
  def pythonEvaluator(
      udfs: Seq[PythonUDF],
      childOutput: Seq[Attribute],
      resultAttrs: Seq[Attribute],
      evalType: Int,
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): PythonEvaluator = {
    val output = childOutput ++ resultAttrs
    val artifacts = JobArtifactSet.getCurrentJobArtifactState.map(_.uuid)
    val logSession = if (conf.pythonWorkerLoggingEnabled) SparkSession.getActiveSession.map(_.sessionUUID) else None
    val settings = workerSettings(conf)
    if (evalType == EvalTypes.Batched) {
      val pickled = new BatchEvalPythonEvaluatorFactory(childOutput, udfs, output, conf.getConf(SQLConf.PYTHON_UDF_MAX_RECORDS_PER_BATCH),
        conf.getConf(SQLConf.PYTHON_UDF_MAX_BYTES_PER_BATCH), metrics, artifacts, logSession, conf.pysparkBinaryAsBytes)
      return new PythonEvaluator(pickled, None)
    }
    val rows = new ArrowEvalPythonEvaluatorFactory(childOutput, udfs, output, conf.arrowMaxRecordsPerBatch, evalType,
      conf.sessionLocalTimeZone, conf.arrowUseLargeVarTypes, settings, metrics, artifacts, logSession)
    val columnar = Option.when(columnarInput) {
      val schema = StructType(output.map(a => StructField(a.name, a.dataType, a.nullable)))
      new ColumnarArrowEvalPythonEvaluatorFactory(childOutput, udfs, output, schema, conf.arrowMaxRecordsPerBatch, evalType,
        conf.sessionLocalTimeZone, conf.arrowUseLargeVarTypes, settings, metrics, artifacts, logSession)
    }
    new PythonEvaluator(rows, columnar)
  }

  /** Creates Spark's own evaluator of a mapInPandas or mapInArrow node, with that node's arguments. Called on the driver. */
  def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator = {
    val artifacts = JobArtifactSet.getCurrentJobArtifactState.map(_.uuid)
    val logSession = if (conf.pythonWorkerLoggingEnabled) SparkSession.getActiveSession.map(_.sessionUUID) else None
    val chain = Seq((ChainedPythonFunctions(Seq(function.func)), function.resultId.id))
    new MapEvaluator(new MapInBatchEvaluatorFactory(output, chain, DataTypeUtils.fromAttributes(childOutput), function.dataType,
      conf.arrowMaxRecordsPerBatch, evalType, conf.sessionLocalTimeZone, conf.arrowUseLargeVarTypes, workerSettings(conf), metrics,
      artifacts, logSession))
  }

  /** Whether Spark would feed this node whole columnar batches, so that its Arrow batches are those of its child. */
  def takesColumnarInput(node: ArrowEvalPythonExec): Boolean =
    node.child.supportsColumnar && node.conf.arrowPySparkUDFColumnarInputEnabled

  /** Returns an Arrow allocator for one task, which closes it. */
  def arrowAllocator(name: String): BufferAllocator = ArrowUtils.rootAllocator.newChildAllocator(name, 0, Long.MaxValue)

  /** Creates an empty Arrow vector for values of a column, as Spark sends them to Python. */
  def arrowVector(column: Attribute, zone: String, allocator: BufferAllocator): FieldVector =
    ArrowUtils.toArrowField(column.name, column.dataType, nullable = true, zone).createVector(allocator)

  /** Returns a converter that fills column vectors of `schema` from rows. */
  def converter(schema: StructType): RowConverter = new RowConverter(new RowToColumnConverter(schema))

  /** Whether Spark has a column vector for values of this type and can fill it from rows. */
  def hasColumnarForm(dataType: DataType, nullable: Boolean): Boolean =
    try {
      new RowToColumnConverter(StructType(Seq(StructField("c", dataType, nullable))))
      true
    } catch { case _: SparkUnsupportedOperationException => false }

  /** Whether a logical node itself runs a Python function over rows or groups. */
  def runsPython(plan: LogicalPlan): Boolean = plan.nodeName.matches(".*(Python|Pandas|PySpark|InArrow).*")

  /** Returns the JVM exception for a worker's exception. `error`: "<class>: <message>", the last line of its traceback. */
  def pythonException(error: String): RuntimeException = new PythonException("PYTHON_EXCEPTION",
    Map("msg" -> "An exception was thrown from the Python worker", "traceback" -> error), null, Array.empty[QueryContext], "")

  /** Whether `problem` is the JVM exception for a worker's exception. */
  def isPythonException(problem: Throwable): Boolean = problem.isInstanceOf[PythonException]

  /** Whether a worker's exception failed a job: it is a cause, or the message of a failed task names it. */
  def raisedInPython(problem: Throwable): Boolean =
    Iterator.iterate(problem)(_.getCause).takeWhile(_ != null).take(16) // causes may form a cycle
      .exists(cause => isPythonException(cause) || String.valueOf(cause.getMessage).contains(classOf[PythonException].getName))

  /** Returns the application's configuration, from which the node's session started. */
  def sparkConf(plan: SparkPlan): SparkConf = plan.session.sparkContext.conf

  /** As above, for a session. */
  def sparkConf(session: SparkSession): SparkConf = session.sparkContext.conf

  /** Returns the interpreter with which PySpark starts workers when a function does not name another. */
  def defaultPythonExec(conf: SparkConf): String =
    conf.getOption("spark.pyspark.python").orElse(sys.env.get("PYSPARK_PYTHON")).getOrElse("python3")

  /** Whether the files of Python broadcasts are encrypted, so that no other process can read them. */
  def broadcastsAreEncrypted: Boolean = SparkEnv.get.conf.getBoolean("spark.io.encryption.enabled", false)
}

/** Wraps Spark's evaluator of one mapInPandas or mapInArrow node. */
final class MapEvaluator(factory: MapInBatchEvaluatorFactory) extends Serializable {

  /** Streams rows of the child through one Python run; returns rows of the output. */
  def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] =
    factory.createEvaluator().eval(partition, input)
}

/** Names the eval types of Python functions (PythonEvalType) that SparkWeld distinguishes. */
object EvalTypes {
  /** Plain `udf`, rows pickled. */
  val Batched: Int = PythonEvalType.SQL_BATCHED_UDF

  /** Scalar pandas UDFs. */
  val ScalarPandas: Int = PythonEvalType.SQL_SCALAR_PANDAS_UDF

  /** Scalar pandas UDFs over an iterator of batches. */
  val ScalarPandasIterator: Int = PythonEvalType.SQL_SCALAR_PANDAS_ITER_UDF

  /** Scalar UDFs over Arrow arrays. */
  val ScalarArrow: Int = PythonEvalType.SQL_SCALAR_ARROW_UDF

  /** Scalar UDFs over an iterator of batches of Arrow arrays. */
  val ScalarArrowIterator: Int = PythonEvalType.SQL_SCALAR_ARROW_ITER_UDF

  /** mapInPandas. */
  val MapPandas: Int = PythonEvalType.SQL_MAP_PANDAS_ITER_UDF

  /** mapInArrow. */
  val MapArrow: Int = PythonEvalType.SQL_MAP_ARROW_ITER_UDF

  /** Functions of pandas objects, whose dtypes depend on the NULLs of a batch. */
  private val pandas = Set(ScalarPandas, ScalarPandasIterator, MapPandas)

  private val others = Set(Batched, PythonEvalType.SQL_ARROW_BATCHED_UDF, ScalarArrow,
    ScalarArrowIterator, MapArrow)

  /** Whether the compile service supports functions of this kind. */
  def isKnown(evalType: Int): Boolean = pandas(evalType) || others(evalType)

  /** Whether such a function sees the NULLs of its whole batch, as the dtype. */
  def seesBatchState(evalType: Int): Boolean = pandas(evalType)
}

/** Wraps Spark's evaluators of one node of Python UDFs. Serializable; the two share the function bytes. */
final class PythonEvaluator(
    rows: EvalPythonEvaluatorFactory,
    columnar: Option[ColumnarArrowEvalPythonEvaluatorFactory]) extends Serializable {

  def takesColumnarInput: Boolean = columnar.isDefined

  /** Streams rows (UnsafeRow, schema of the child) through one Python run; returns rows of child ++ results. */
  def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] =
    rows.createEvaluator().eval(partition, input)

  /** Streams batches through one Python run, one Arrow batch for each, as the columnar node does. */
  def evalBatches(partition: Int, input: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] =
    columnar.get.createEvaluator().eval(partition, input)

  /** Runs only the functions: maps rows of `call.arguments` to rows of the results, in order, without queuing any. */
  def evalCall(call: PythonCall, input: Iterator[InternalRow], context: TaskContext): Iterator[InternalRow] =
    rows match {
      case arrow: ArrowEvalPythonEvaluatorFactory => arrow.evaluate(call.functions, call.positions, input, call.schema, context)
      case pickled: BatchEvalPythonEvaluatorFactory => pickled.evaluate(call.functions, call.positions, input, call.schema, context)
      case other => throw new IllegalStateException(s"${other.getClass.getName} evaluates no single batch")
    }
}

/**
 * Collects the distinct argument expressions of one node's functions, and the arguments that each function takes, as Spark does.
 */
final class PythonCall(udfs: Seq[PythonUDF]) {
  private val (chains, inputs) = udfs.map(functionsOf).unzip
  private val distinct = ArrayBuffer.empty[Expression]

  private[sparkweld] val functions: Seq[(ChainedPythonFunctions, Long)] = chains
  private[sparkweld] val positions: Array[Array[ArgumentMetadata]] = inputs.map(_.map { argument =>
    val (name, value) = argument match {
      case NamedArgumentExpression(key, named) => (Some(key), named)
      case positional => (None, positional)
    }
    val known = distinct.indexWhere(_.semanticEquals(value))
    if (known < 0) distinct += value
    ArgumentMetadata(if (known < 0) distinct.size - 1 else known, name)
  }.toArray).toArray

  val arguments: Seq[Expression] = distinct.toSeq

  private[sparkweld] val schema: StructType =
    StructType(arguments.zipWithIndex.map { case (value, i) => StructField(s"_$i", value.dataType) })

  private def functionsOf(udf: PythonUDF): ((ChainedPythonFunctions, Long), Seq[Expression]) = udf.children match {
    case Seq(inner: PythonUDF) =>
      val ((chain, _), values) = functionsOf(inner)
      ((ChainedPythonFunctions(chain.funcs :+ udf.func), udf.resultId.id), values)
    case values => ((ChainedPythonFunctions(Seq(udf.func)), udf.resultId.id), values)
  }
}

/** Measures the size of an Arrow batch of rows of such columns, as Spark's own writer counts it. */
final class ArrowSize(types: Seq[DataType], inStruct: Boolean, zone: String, largeTexts: Boolean) extends AutoCloseable {
  private val columns = StructType(types.zipWithIndex.map { case (of, i) => StructField(s"_$i", of) })
  private val schema = if (inStruct) StructType(Seq(StructField("struct", columns))) else columns
  private val writer = ArrowWriter.create(schema, zone, errorOnDuplicatedFieldNames = false, largeTexts)

  /** Adds a row and returns the new size. */
  def add(row: InternalRow): Long = {
    writer.write(if (inStruct) InternalRow(row) else row)
    writer.sizeInBytes()
  }

  def reset(): Unit = writer.reset()

  override def close(): Unit = writer.root.close()
}

/** Wraps Spark's row-to-column conversion of one schema. */
final class RowConverter(converter: RowToColumnConverter) extends Serializable {
  def convert(row: InternalRow, vectors: Array[WritableColumnVector]): Unit = converter.convert(row, vectors)
}
