package io.sparkweld
package nativelib

import java.io.{File, IOException}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.TimeUnit

import io.sparkweld.host.{PythonLaunch, SafeFiles}

/** Finds llvmlite's shared library in a Python installation, without importing llvmlite. */
private[nativelib] object LlvmliteLocator {
  private val Marker = "sparkweld-llvmlite="
  private val LimitSeconds = 20L
  private val Script =
    s"""import importlib.util, os
       |spec = importlib.util.find_spec("llvmlite")
       |folder = list(spec.submodule_search_locations)[0] if spec else ""
       |print("$Marker" + (os.path.join(folder, "binding", "libllvmlite.so") if folder else ""))
       |""".stripMargin

  /** Returns the library of the llvmlite that `python` would import. Throws NativeError when there is none. */
  def locate(python: String, limitSeconds: Long = LimitSeconds): String = {
    val output = run(python, limitSeconds)
    val answer = output.linesIterator.map(_.trim).filter(_.startsWith(Marker)).toSeq.lastOption.getOrElse(
      throw new NativeError(s"cannot ask $python for llvmlite: it printed ${quote(output)}"))
    val path = answer.substring(Marker.length)
    if (path.isEmpty) {
      throw new NativeError(s"$python has no llvmlite: install numba for that Python (pip install numba), or point " +
        "spark.pyspark.python at one that has it")
    }
    if (!Files.isRegularFile(Paths.get(path))) {
      throw new NativeError(s"the llvmlite of $python has no library: $path is missing; reinstall llvmlite")
    }
    if (!SafeFiles.isSafe(Paths.get(path))) {
      throw new NativeError(s"every user of this machine may replace $path; change the mode of the file or the folder it is in")
    }
    path
  }

  private def run(python: String, limitSeconds: Long): String = {
    val folder =
      try SafeFiles.newPrivateFolder()
      catch { case e: IOException => throw new NativeError(s"cannot look for llvmlite: ${e.getMessage}", e) }
    try run(python, limitSeconds, folder)
    finally SafeFiles.delete(folder)
  }

  private def run(python: String, limitSeconds: Long, folder: Path): String = {
    val path = PythonLaunch.entries(sys.env.getOrElse("PYTHONPATH", ""), Some(PythonLaunch.workingDirectory))
    val variables = PythonLaunch.ofProcess(sys.env) + ("PYTHONPATH" -> PythonLaunch.safeEntries(path).mkString(File.pathSeparator))
    val process =
      try {
        PythonLaunch.builder(python, Seq("-c", Script), variables, folder)
          .redirectErrorStream(true)
          .redirectInput(new File("/dev/null"))
          .start()
      } catch {
        case e: IOException => throw new NativeError(s"cannot run $python to find llvmlite: ${e.getMessage}", e)
      }
    try {
      if (!process.waitFor(limitSeconds, TimeUnit.SECONDS)) {
        throw new NativeError(s"$python did not report the location of its llvmlite within $limitSeconds s")
      }
      val output = new String(process.getInputStream.readAllBytes(), UTF_8)
      if (process.exitValue() != 0) {
        throw new NativeError(s"$python failed (exit ${process.exitValue()}) when asked for llvmlite: ${quote(output)}")
      }
      output
    } finally process.destroyForcibly()
  }

  private def quote(output: String): String = {
    val text = output.trim
    if (text.isEmpty) "nothing" else text.takeRight(500)
  }
}
