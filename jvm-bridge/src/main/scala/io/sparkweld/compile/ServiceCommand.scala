package io.sparkweld
package compile

import java.io.File
import java.util.{Map => JMap}

import scala.jdk.CollectionConverters._

import io.sparkweld.SparkWeldConf
import io.sparkweld.contract.Constants
import io.sparkweld.host.PythonLaunch
import io.sparkweld.support.WarnOnce

import org.apache.spark.SparkConf

/**
 * Identifies the compile service that a function needs: the interpreter of its workers and what their environment adds.
 *
 * Functions with equal commands share one service. Serializable; each JVM completes the environment for its own host.
 */
final case class ServiceCommand(python: String, environment: Map[String, String]) {

  /**
   * Returns the environment of the child: the permitted variables of this JVM and of the workers, the workers' import path
   * without unsafe entries, and the paths that the conf adds.
   */
  def variables(conf: SparkConf): Map[String, String] = {
    val path = WorkerPaths.pythonPath(python, environment.get("PYTHONPATH"))
    val folder = Option.when(WorkerPaths.isLocal(conf))(PythonLaunch.workingDirectory)
    val workers = PythonLaunch.entries(path, folder)
    val added = SparkWeldConf.CompilePythonPath.get(conf).toSeq.flatMap(PythonLaunch.entries(_, Some(PythonLaunch.workingDirectory)))
    val safe = PythonLaunch.safeEntries(workers ++ added)
    val ignored = (workers ++ added).filter(entry => !safe.contains(entry) && new File(entry).exists)
    if (ignored.nonEmpty) {
      WarnOnce(s"path:$ignored", s"SparkWeld: the compile service does not import from ${ignored.mkString(", ")}, which is on Python's import path: every " +
        "user of this machine can write to it.")
    }
    val names = Constants.shared.environment
    val cache = SparkWeldConf.CacheDir.get(conf).map(names.cacheDir -> _)
    val passed = PythonLaunch.ofProcess(sys.env) ++ Map(ServiceCommand.HashSeed -> "0") ++ PythonLaunch.ofJob(environment)
    passed ++ cache ++ Map(
      "PYTHONPATH" -> safe.mkString(File.pathSeparator),
      names.workerPath -> workers.mkString(File.pathSeparator),
      names.local -> folder.isDefined.toString,
      names.withheld -> (sys.env ++ environment).filterNot { case (name, value) => passed.get(name).contains(value) }.keys
        .mkString(","),
      names.jobVariables -> PythonLaunch.ofJob(environment).keys.mkString(","),
      names.unpickle -> (if (SparkWeldConf.Unpickle.get(conf)) "auto" else "never"),
      names.maxMemory -> SparkWeldConf.ServiceMemory.get(conf).toString,
      names.cacheMaxBytes -> SparkWeldConf.CacheMaxBytes.get(conf).toString)
  }
}

object ServiceCommand {

  private[compile] val HashSeed = "PYTHONHASHSEED"

  /**
   * Returns a function's variables without the seed of its workers' hashes, unless the job has chosen a number. PySpark sets 0 on
   * Classic, which the service has too, and nothing on Connect, where the order of a set is any.
   */
  private def withoutUsualSeed(variables: Map[String, String]): Map[String, String] =
    if (variables.get(HashSeed).exists(seed => seed.exists(_ != '0') && seed.forall(_.isDigit))) variables else variables - HashSeed

  def of(pythonExec: String, environment: JMap[String, String], conf: SparkConf): ServiceCommand =
    ServiceCommand(SparkWeldConf.CompilePython.get(conf).getOrElse(pythonExec), withoutUsualSeed(environment.asScala.toMap))

  /** Returns the most likely command of this application's functions, to warm up before there is one. */
  def expected(conf: SparkConf): ServiceCommand = {
    val environment = withoutUsualSeed(conf.getExecutorEnv.toMap)
    ServiceCommand(SparkWeldConf.CompilePython.get(conf).getOrElse(WorkerPaths.defaultPython(conf)), environment)
  }
}
