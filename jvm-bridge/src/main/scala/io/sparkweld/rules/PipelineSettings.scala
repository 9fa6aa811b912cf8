package io.sparkweld
package rules

import scala.collection.immutable.SortedMap

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.{Compiler, Frame, WorkerPaths}
import io.sparkweld.contract.{FileAccess, Settings, WorkerDescription}
import io.sparkweld.host.PythonLaunch
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Mode, NamePatterns}

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
  def of(conf: SQLConf, rows: => Long): Settings = {
    val bounded = bounds(conf, rows)
    val isChoice = bounded && SparkWeldConf.ScoreBounds.get(conf) == Mode.Auto
    val relevant = conf.getAllConfs.filter { case (key, _) => WorkerPrefixes.exists(key.startsWith) }
    Settings(
      exact = Some(SparkWeldConf.ExactEnabled.get(conf)),
      timezone = conf.sessionLocalTimeZone,
      ansi = Some(conf.ansiEnabled),
      modelBytes = Some(math.min(Frame.MaxBlob, Runtime.getRuntime.maxMemory / HeapsPerModel)),
      // a power of two, so that a growing table rarely makes a new request
      bounds = Some(if (isChoice) Right(java.lang.Long.highestOneBit(rows)) else Left(bounded)),
      deniedModules = modules(SparkWeldConf.Deny.get(conf)),
      allowedModules = modules(SparkWeldConf.Allow.get(conf)),
      timeout = Option.when(isChoice)(SparkWeldConf.CompileTimeout.get(conf)),
      pandas = Some(SortedMap((relevant ++ CurrentSpark.workerSettings(conf)).toSeq: _*)))
  }

  private def modules(patterns: NamePatterns): Option[Seq[String]] = Some(patterns.ofKind("module")).filter(_.nonEmpty)

  /**
   * Returns the description of the workers. `includes`: folders and archives on their import path. `versions`: of their Python.
   */
  def python(conf: SQLConf, appConf: SparkConf, includes: Seq[String], versions: Seq[String]): WorkerDescription = {
    val folder = WorkerPaths.workingDirectory(appConf)
    val limit = math.min(SparkWeldConf.ModelFilesMaxBytes.get(conf), SparkWeldConf.CompileCpuTime.get(conf) * Compiler.BytesPerMs)
    WorkerDescription(
      local = Some(WorkerPaths.isLocal(appConf)),
      importable = Some(sys.env.get("PYTHONSAFEPATH").forall(_.isEmpty)),
      folder = folder,
      includes = includes,
      versions = Some(versions),
      files = Option.when(limit > 0)(
        FileAccess(limit, folder.getOrElse(PythonLaunch.workingDirectory.toString), SparkFiles.getRootDirectory())))
  }
}
