package io.sparkweld
package compile

import java.io.File

import io.sparkweld.host.PythonLaunch
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.{SparkConf, SparkFiles}

/** Finds the interpreter, the working directory and the import path of Spark's Python workers. */
object WorkerPaths {

  /** Returns the interpreter with which PySpark starts workers when a function does not name another. */
  def defaultPython(conf: SparkConf): String =
    conf.getOption("spark.pyspark.python").orElse(sys.env.get("PYSPARK_PYTHON")).getOrElse("python3")

  /**
   * Returns the workers' import path as seen by this JVM: Spark's own Python sources, where SPARK_HOME has them, then the user's.
   * When pip installed Spark into this very Python, its sources are importable anyway, and four times faster than from the zip.
   */
  def pythonPath(python: String, userPath: Option[String]): String = {
    val spark = if (sys.env.get("SPARK_HOME").exists(isInstalledIn(python, _))) Nil else Seq(CurrentSpark.sparkPythonPath)
    (spark ++ userPath ++ sys.env.get("PYTHONPATH")).filter(_.nonEmpty).mkString(File.pathSeparator)
  }

  /** Whether this JVM, or one like it on this machine, starts the workers in its own working directory. */
  def isLocal(conf: SparkConf): Boolean = {
    val master = conf.get("spark.master", "")
    master == "local" || master.startsWith("local[")
  }

  /**
   * Returns the directories and archives that a worker would put on sys.path for a function, in its order: the folder of added
   * files, then each of `names`, its `pythonIncludes`, in it. On Connect the files of a session are in a folder named by its
   * artifact id. In a task, the paths are those of its executor.
   */
  def includes(names: Seq[String]): Seq[String] = {
    val root = SparkFiles.getRootDirectory()
    val folder = artifacts.filter(_.isDirectory).map(_.getPath).getOrElse(root)
    val files = names.map { name =>
      val candidates = Seq(new File(folder, name), new File(root, name))
      candidates.find(_.exists()).getOrElse(candidates.head).getPath
    }
    folder +: files
  }

  /** Returns the folder of a Connect session's files, in which its workers are started. */
  def artifacts: Option[File] = CurrentSpark.artifactId.map(new File(SparkFiles.getRootDirectory(), _))

  /** Returns the folder in which workers are started, when it is known here and exists. */
  def workingDirectory(conf: SparkConf): Option[String] = artifacts match {
    case Some(folder) => Some(folder.getAbsolutePath).filter(_ => folder.isDirectory)
    case None => Option.when(isLocal(conf))(PythonLaunch.workingDirectory.toString)
  }

  private def isInstalledIn(python: String, sparkHome: String): Boolean = {
    val folders = if (python.contains(File.separator)) Nil else sys.env.getOrElse("PATH", "").split(File.pathSeparator).toSeq
    val executable = folders.map(new File(_, python)).find(_.canExecute).getOrElse(new File(python))
    val prefix = Option(executable.getAbsoluteFile.getParentFile).flatMap(bin => Option(bin.getParentFile))
    val home = new File(sparkHome).getAbsoluteFile
    def libraries(of: File) = of.toPath.normalize.resolve("lib")
    new File(home, "__init__.py").isFile && prefix.exists(p => home.toPath.normalize.startsWith(libraries(p)))
  }
}
