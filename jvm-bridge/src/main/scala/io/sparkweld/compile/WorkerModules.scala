package io.sparkweld.compile

import java.io.{File, IOException}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Path, Paths}
import java.util.{List => JList, Map => JMap}
import java.util.concurrent.{CompletableFuture, TimeUnit}

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ArrayNode

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.host.{PythonLaunch, SafeFiles}
import io.sparkweld.support.Refusal


/**
 * Describes how the workers of a function are started. `includes`: names, among the files of the job, that are on their import
 * path.
 */
final case class WorkerPython(python: String, environment: Map[String, String], includes: Seq[String])

object WorkerPython {
  def of(python: String, environment: JMap[String, String], includes: JList[String]): WorkerPython =
    WorkerPython(python, environment.asScala.toMap, includes.asScala.toSeq)
}

/**
 * Lists the modules, by source digest, and distributions, by version, that a function's workers must import for its kernel to be
 * valid.
 *
 * An executor asks the Python of its workers, which imports none of them. It asks again when a file or a folder on the import
 * path has changed.
 */
final case class WorkerModules(worker: WorkerPython, modules: Seq[UserModule], libraries: Map[String, String]) {

  /**
   * Returns a refusal when workers of this JVM would import something else, else None. In the driver's own JVM they import the
   * same.
   */
  def difference: Option[Refusal] =
    if (SparkWeldRuntime.driver.isDefined || (modules.isEmpty && libraries.isEmpty)) None else WorkerModules.difference(this)
}

object WorkerModules {
  private val LimitSeconds = 60L
  private val Importable = """[A-Za-z_][A-Za-z0-9_]*(\.pyc?|(\.[A-Za-z0-9_-]+)?\.so)?|[!-~]+\.(dist|egg)-info""".r
  private val OtherFile = "the workers of this executor have another file of that name"
  /** A file, or a folder of the import path; `names`: a digest of the names in it that affect imports, empty for a file. */
  private final case class Seen(path: String, state: (Long, Long), names: String)
  /**
   * An answer of Python. `seen`: the files that were found, and the folders where new files could precede them on the import
   * path.
   */
  private final case class Answer(refusal: Option[Refusal], seen: Seq[Seen])
  private val answers = new Lru[(WorkerModules, Seq[String]), Answer](256)

  private lazy val script: String = {
    val stream = getClass.getResourceAsStream("/sparkweld/worker_modules.py")
    try new String(stream.readAllBytes(), UTF_8)
    finally stream.close()
  }

  private def difference(wanted: WorkerModules): Option[Refusal] = synchronized {
    val includes = WorkerPaths.includes(wanted.worker.includes)
      .map(path => PythonLaunch.workingDirectory.resolve(path).normalize.toString)
    answers.get((wanted, includes)).flatMap(current) match {
      case Some(known) =>
        answers.put((wanted, includes), known)
        known.refusal
      case None =>
        val made =
          try answer(wanted, ask(wanted, includes))
          catch { case problem: IOException => Answer(Some(refusal("of Python", problem.getMessage)), Nil) }
        answers.put((wanted, includes), made)
        made.refusal
    }
  }

  private def answer(wanted: WorkerModules, found: JsonNode): Answer = {
    val modules = wanted.modules.iterator.flatMap { module =>
      val digest = found.path("modules").path(module.name).path("digest").asText("")
      if (digest == module.digest && found.path("modules").has(module.name)) None
      else if (!found.path("modules").has(module.name)) Some(refusal(module.name, "the workers of this executor do not find it"))
      else Some(refusal(module.name, OtherFile))
    }
    val libraries = wanted.libraries.toSeq.sorted.iterator.flatMap { case (name, version) =>
      val other = found.path("libraries").path(name).asText("none")
      Option.when(other != version)(refusal(name, s"the workers of this executor have $other, the driver has $version"))
    }
    val shadowed = Option(found.get("shadowed")).filter(_.isTextual).map(name => refusal(name.asText, OtherFile))
    val seen = (found.path("modules").elements().asScala ++ found.path("searched").elements().asScala).map { file =>
      Seen(file.path("path").asText, (file.path("bytes").asLong, file.path("modified").asLong), file.path("names").asText(""))
    }
    Answer((modules ++ libraries ++ shadowed).nextOption(), seen.filter(_.path.nonEmpty).toSeq.distinct)
  }

  /**
   * Returns the answer with the current file states; None when Python must be asked again. Tasks may write files to the workers'
   * folder.
   */
  private def current(known: Answer): Option[Answer] = {
    val now = known.seen.map(file => file.copy(state = ModuleRecord.state(Paths.get(file.path))))
    if (now == known.seen) Some(known)
    else {
      val same = known.seen.zip(now).forall { case (before, after) =>
        before.state == after.state || (before.names.nonEmpty && importable(before.path) == before.names)
      }
      Option.when(same)(known.copy(seen = now))
    }
  }

  /** Computes the same digest as `importable` of the script. */
  private def importable(folder: String): String = {
    val names = Option(new File(folder).list).map(_.toSeq.filter(name => Importable.matches(name) && name != "__pycache__"))
    names.fold("")(found => Digests.of(found.sorted.mkString("/").getBytes(UTF_8)))
  }

  private def refusal(name: String, what: String): Refusal = Refusal("SW869", "module" -> name, "what" -> what)

  /** Asks the Python of the workers which modules it would import. Throws IOException when that fails. */
  private def ask(wanted: WorkerModules, includes: Seq[String]): JsonNode = {
    val worker = wanted.worker
    val path = PythonLaunch.entries(WorkerPaths.pythonPath(worker.python, worker.environment.get("PYTHONPATH")),
      Some(PythonLaunch.workingDirectory))
    val request = Frame.newObject()
    val folder = WorkerPaths.artifacts.getOrElse(PythonLaunch.workingDirectory.toFile).getAbsolutePath
    request.putArray("first").add(folder)
    path.foreach(request.putArray("path").add)
    includes.foreach(request.putArray("includes").add)
    wanted.modules.foreach(module => request.withArray[ArrayNode]("modules").add(module.name))
    wanted.libraries.keys.foreach(request.withArray[ArrayNode]("libraries").add)
    val variables = PythonLaunch.ofProcess(sys.env) ++ PythonLaunch.ofJob(worker.environment) +
      ("PYTHONPATH" -> PythonLaunch.safeEntries(path).mkString(File.pathSeparator))
    val own = SafeFiles.newPrivateFolder()
    try run(worker.python, variables, own, Frame.mapper.writeValueAsBytes(request))
    finally SafeFiles.delete(own)
  }

  private def run(python: String, variables: Map[String, String], folder: Path, request: Array[Byte]): JsonNode = {
    val process = PythonLaunch.builder(python, Seq("-c", script), variables, folder).redirectError(ProcessBuilder.Redirect.DISCARD).start()
    try {
      val input = process.getOutputStream
      try input.write(request)
      finally input.close()
      CompletableFuture.delayedExecutor(LimitSeconds, TimeUnit.SECONDS).execute(() => process.destroyForcibly())
      val output = process.getInputStream.readAllBytes()
      process.waitFor()
      if (process.exitValue() != 0) throw new IOException(s"$python failed (exit ${process.exitValue()}) when asked for its modules")
      Frame.mapper.readTree(output)
    } finally process.destroyForcibly()
  }
}
