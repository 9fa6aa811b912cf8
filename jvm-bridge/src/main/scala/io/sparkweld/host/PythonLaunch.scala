package io.sparkweld.host

import java.io.File
import java.nio.file.{Files, Path, Paths}

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

/**
 * Starts the Python processes of this JVM that are not Spark's workers: in an empty folder of their own, with the variables that
 * they need, and with no entry on their import path in which any local user could put a module.
 *
 * `python -m` and `-c` put the working directory first on `sys.path`; in a shared folder anybody's `queue.py` would run as this user.
 */
object PythonLaunch {
  /** Variables of this JVM that a Python process gets. All others, among them keys and passwords, it does not see. */
  val Passed: Set[String] = Set("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH",
    "PYTHONHOME", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONOPTIMIZE",
    "PYTHONPLATLIBDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONINTMAXSTRDIGITS", "PYTHONWARNINGS", "VIRTUAL_ENV", "CONDA_PREFIX", "SPARK_HOME",
    "XDG_CACHE_HOME")
  /** Those of numeric libraries choose code for the CPU, and with it the last digits of matrix products. */
  private val PassedPrefixes = Seq("LC_", "SPARKWELD_", "OMP_", "OPENBLAS_", "MKL_")

  /** Not even the job's own settings pass these on: they load code, or change what our own libraries do. */
  private val Never = Set("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONPYCACHEPREFIX", "PYTHONEXECUTABLE",
    "PYTHONSAFEPATH", "PYTHONPROFILEIMPORTTIME", "PYTHONPATH")
  private val NeverPrefixes = Seq("LD_", "NUMBA_", "DYLD_")
  private val Secret = "(?i)secret|passw|token|credential|(access|api|private|signing).?key|auth".r

  /** The folder that this JVM was started in, and with it the workers that it starts. */
  lazy val workingDirectory: Path =
    try Files.readSymbolicLink(Paths.get("/proc/self/cwd"))
    catch { case NonFatal(_) => Paths.get("").toAbsolutePath }

  /** Whether the name of a variable is that of a secret. */
  def isSecret(name: String): Boolean = Secret.findFirstIn(name).isDefined

  /** What a process gets of the variables that the job sets for its workers. */
  def ofJob(variables: Map[String, String]): Map[String, String] =
    variables.filterNot { case (name, _) => Never(name) || NeverPrefixes.exists(name.startsWith) || isSecret(name) }

  /** What a process gets of the variables of this JVM. */
  def ofProcess(variables: Map[String, String]): Map[String, String] = variables
    .filter { case (name, _) => Passed(name) || PassedPrefixes.exists(name.startsWith) }
    .map {
      case (name @ ("LD_LIBRARY_PATH" | "PYTHONUSERBASE"), value) => name -> safeEntries(entries(value)).mkString(File.pathSeparator)
      case other => other
    }

  /** The entries of a search path, each absolute: an empty or relative one is below `folder`, or gone when that is unknown. */
  def entries(path: String, folder: Option[Path] = None): Seq[String] =
    path.split(File.pathSeparator, -1).toSeq.flatMap { entry =>
      if (entry.startsWith(File.separator)) Some(entry) else folder.map(_.resolve(entry).normalize.toString)
    }.distinct

  /** Those of `entries` in which only we, or who owns them, can put modules. */
  def safeEntries(entries: Seq[String]): Seq[String] = entries.filter(entry => SafeFiles.isSafe(Paths.get(entry)))

  /**
   * A process of `python`, a name or a path, to be started in `folder`. `variables`: its environment. A relative path is one from
   * the working directory of this JVM, as it is for workers.
   */
  def builder(python: String, arguments: Seq[String], variables: Map[String, String], folder: Path): ProcessBuilder = {
    val program = if (python.contains(File.separator)) workingDirectory.resolve(python).toString else python
    val made = new ProcessBuilder((program +: arguments).asJava).directory(folder.toFile)
    made.environment().clear()
    made.environment().putAll(variables.asJava)
    made
  }
}
