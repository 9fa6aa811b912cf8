package io.sparkweld
package host

import java.io.File
import java.nio.file.{Files, Path, Paths}

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

/**
 * Launches the Python processes of this JVM that are not Spark's workers.
 *
 * They start in an empty folder of their own, with only the variables that they need. Their import path has no entry in which any
 * local user could put a module. `python -m` and `-c` put the working directory first on `sys.path`; in a shared folder anybody's
 * `queue.py` would run as this user.
 */
object PythonLaunch {
  /** The variables of this JVM that a Python process receives. It sees no others, such as keys and passwords. */
  val Passed: Set[String] = Set("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH",
    "PYTHONHOME", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONOPTIMIZE",
    "PYTHONPLATLIBDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONINTMAXSTRDIGITS", "PYTHONWARNINGS", "VIRTUAL_ENV", "CONDA_PREFIX", "SPARK_HOME",
    "XDG_CACHE_HOME")
  /** Those of numeric libraries select code by CPU, and so affect the last digits of matrix products. */
  private val PassedPrefixes = Seq("LC_", "SPARKWELD_", "OMP_", "OPENBLAS_", "MKL_")

  /** Not passed even from the job's own settings: they load code, or change the behaviour of our own libraries. */
  private val Never = Set("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONPYCACHEPREFIX", "PYTHONEXECUTABLE",
    "PYTHONSAFEPATH", "PYTHONPROFILEIMPORTTIME", "PYTHONPATH")
  private val NeverPrefixes = Seq("LD_", "NUMBA_", "DYLD_")
  private val Secret = "(?i)secret|passw|token|credential|(access|api|private|signing).?key|auth".r

  /** The folder in which this JVM, and with it its workers, was started. */
  lazy val workingDirectory: Path =
    try Files.readSymbolicLink(Paths.get("/proc/self/cwd"))
    catch { case NonFatal(_) => Paths.get("").toAbsolutePath }

  /** Whether the name of a variable is that of a secret. */
  def isSecret(name: String): Boolean = Secret.findFirstIn(name).isDefined

  /** Returns those of the variables set by the job for its workers that a process receives. */
  def ofJob(variables: Map[String, String]): Map[String, String] =
    variables.filterNot { case (name, _) => Never(name) || NeverPrefixes.exists(name.startsWith) || isSecret(name) }

  /** Returns those of this JVM's variables that a process receives. */
  def ofProcess(variables: Map[String, String]): Map[String, String] = variables
    .filter { case (name, _) => Passed(name) || PassedPrefixes.exists(name.startsWith) }
    .map {
      case (name @ ("LD_LIBRARY_PATH" | "PYTHONUSERBASE"), value) => name -> safeEntries(entries(value)).mkString(File.pathSeparator)
      case other => other
    }

  /**
   * Returns the absolute entries of a search path. Empty and relative ones resolve against `folder`; they are dropped when it is
   * unknown.
   */
  def entries(path: String, folder: Option[Path] = None): Seq[String] =
    path.split(File.pathSeparator, -1).toSeq.flatMap { entry =>
      if (entry.startsWith(File.separator)) Some(entry) else folder.map(_.resolve(entry).normalize.toString)
    }.distinct

  /** Returns those of `entries` in which only this user, or the owners of the folders, can put modules. */
  def safeEntries(entries: Seq[String]): Seq[String] = entries.filter(entry => SafeFiles.isSafe(Paths.get(entry)))

  /**
   * Prepares a process of `python`, a name or a path, in `folder` with the environment `variables`. A relative path resolves
   * against the working directory of this JVM, as for workers.
   */
  def builder(python: String, arguments: Seq[String], variables: Map[String, String], folder: Path): ProcessBuilder = {
    val program = if (python.contains(File.separator)) workingDirectory.resolve(python).toString else python
    val made = new ProcessBuilder((program +: arguments).asJava).directory(folder.toFile)
    made.environment().clear()
    made.environment().putAll(variables.asJava)
    made
  }
}
