package io.sparkweld.compile

import java.util.{Map => JMap}

import scala.jdk.CollectionConverters._

import io.sparkweld.SparkWeldConf

import org.apache.spark.SparkConf
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals

/**
 * Which compile service a function needs: the interpreter of its workers and what their environment adds. Functions
 * with equal commands share one service. Serialisable; each JVM completes the environment for its own host.
 */
final case class ServiceCommand(python: String, environment: Map[String, String]) {

  /**
   * The variables of the child beyond this JVM's own: the workers' import path first, then the paths that the conf
   * adds.
   */
  def variables(conf: SparkConf): Map[String, String] = {
    val added = SparkWeldConf.CompilePythonPath.get(conf).toSeq
    val path = SparkInternals.servicePythonPath(python, environment.get("PYTHONPATH"), added)
    val cache = SparkWeldConf.CacheDir.get(conf).map("SPARKWELD_CACHE_DIR" -> _)
    Map("PYTHONHASHSEED" -> "0") ++ environment ++ cache ++ Map(
      "PYTHONPATH" -> path,
      "SPARKWELD_CACHE_MAX_BYTES" -> SparkWeldConf.CacheMaxBytes.get(conf).toString)
  }
}

object ServiceCommand {

  /** Set by PySpark on Classic and not on Connect; it does not change what a function means. */
  private val Ignored = Set("PYTHONHASHSEED")

  def of(pythonExec: String, environment: JMap[String, String], conf: SparkConf): ServiceCommand =
    ServiceCommand(SparkWeldConf.CompilePython.get(conf).getOrElse(pythonExec), environment.asScala.toMap -- Ignored)

  /** The command that this application's functions will most likely have, for warming up before there is one. */
  def expected(conf: SparkConf): ServiceCommand = {
    val environment = conf.getExecutorEnv.toMap -- Ignored
    ServiceCommand(SparkWeldConf.CompilePython.get(conf).getOrElse(SparkInternals.defaultPythonExec(conf)), environment)
  }
}
