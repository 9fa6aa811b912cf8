package io.sparkweld.rules

import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.{Compiler, Frame, WorkerPaths}
import io.sparkweld.host.PythonLaunch
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.Mode

import org.apache.spark.{SparkConf, SparkFiles}
import org.apache.spark.sql.internal.SQLConf

/** Adds the session to a compile request: the settings that affect a function's meaning, and the location of its files. */
private[rules] object PipelineSettings {
  /**
   * A model's constants are in the driver's heap three times while they become a broadcast, and the rest of the heap is in use.
   */
  private val HeapsPerModel = 6
  private val WorkerPrefixes = Seq("spark.sql.execution.pandas.", "spark.sql.execution.pythonUDF.",
    "spark.sql.legacy.execution.pythonUDF.", "spark.sql.execution.pythonUDTF.",
    "spark.sql.execution.pyspark.", "spark.sql.pyspark.udf.", "spark.sql.execution.arrow.maxRecordsPerBatch",
    "spark.sql.inMemoryColumnarStorage.batchSize", "spark.sql.orc.columnarReaderBatchSize",
    "spark.sql.parquet.columnarReaderBatchSize")

  /** With fewer rows per task, bounds of a model never pay: see sparkweld/optimizer/bounds_pay.py. */
  private val LeastRows = 1L << 15

  /** Whether bounds may be used at all; in `auto` mode, `rows` (per task) must be at least `least`. */
  def bounds(conf: SQLConf, rows: => Long, least: Long = LeastRows): Boolean = SparkWeldConf.ScoreBounds.get(conf) match {
    case Mode.Auto => rows >= least
    case mode => mode == Mode.Always
  }

  /** Returns the session's settings. `rows`: estimated rows per task. */
  def of(conf: SQLConf, rows: => Long): ObjectNode = {
    val node = Frame.newObject().put("exact", SparkWeldConf.ExactEnabled.get(conf)).put("timezone", conf.sessionLocalTimeZone)
      .put("ansi", conf.ansiEnabled)
      .put("modelBytes", math.min(Frame.MaxBlob, Runtime.getRuntime.maxMemory / HeapsPerModel))
    // a power of two, so that a growing table rarely makes a new request
    if (SparkWeldConf.ScoreBounds.get(conf) == Mode.Auto && bounds(conf, rows)) {
      node.put("bounds", java.lang.Long.highestOneBit(rows)).put("timeout", SparkWeldConf.CompileTimeout.get(conf))
    } else node.put("bounds", bounds(conf, rows))
    val pandas = node.putObject("pandas")
    val relevant = conf.getAllConfs.filter { case (key, _) => WorkerPrefixes.exists(key.startsWith) }
    (relevant ++ CurrentSpark.workerSettings(conf)).toSeq.sorted.foreach { case (key, value) => pandas.put(key, value) }
    node
  }

  /**
   * Returns the description of the workers. `includes`: folders and archives on their import path. `versions`: of their Python.
   */
  def python(conf: SQLConf, appConf: SparkConf, includes: Iterable[String], versions: Iterable[String]): ObjectNode = {
    val folder = WorkerPaths.workingDirectory(appConf)
    val importable = sys.env.get("PYTHONSAFEPATH").forall(_.isEmpty)
    val python = Frame.newObject().put("local", WorkerPaths.isLocal(appConf)).put("importable", importable)
    folder.foreach(python.put("folder", _))
    val paths = python.putArray("includes")
    includes.foreach(paths.add)
    val pythons = python.putArray("versions")
    versions.foreach(pythons.add)
    val limit = math.min(SparkWeldConf.ModelFilesMaxBytes.get(conf), SparkWeldConf.CompileCpuTime.get(conf) * Compiler.BytesPerMs)
    if (limit > 0) {
      val files = python.putObject("files").put("limit", limit)
      files.put("folder", folder.getOrElse(PythonLaunch.workingDirectory.toString)).put("jobFiles", SparkFiles.getRootDirectory())
    }
    python
  }
}
