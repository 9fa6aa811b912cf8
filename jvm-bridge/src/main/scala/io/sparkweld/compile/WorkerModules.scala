package io.sparkweld
package compile

import java.io.{File, IOException}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Path, Paths}
import java.util.{List => JList, Map => JMap}
import java.util.concurrent.TimeUnit

import scala.jdk.CollectionConverters._

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.contract.{Decoder, Encoder, UserModule}
import io.sparkweld.host.{Later, PythonLaunch, SafeFiles}
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

  /** The input of the script: its import path is `first`, `path` and `includes`. */
  private final case class Question(
      first: Seq[String], path: Seq[String], includes: Seq[String], modules: Seq[String], libraries: Seq[String])

  /** The output of the script. `shadowed`: a module of the standard library that another file precedes. */
  private final case class Found(
      modules: Map[String, FoundFile], libraries: Map[String, String], shadowed: Option[String], searched: Seq[FoundFile])

  /** The file of a module, or a folder that is searched; a module without a file has an empty digest and path. */
  private final case class FoundFile(
      path: String, bytes: Option[Long], modified: Option[Long], digest: Option[String], names: Option[String]) {
    def seen: Seen = Seen(path, (bytes.getOrElse(0L), modified.getOrElse(0L)), names.getOrElse(""))
  }

  private implicit val fileDecoder: Decoder[FoundFile] = Decoder.of((FoundFile.apply _).curried)
  private implicit val foundDecoder: Decoder[Found] = Decoder.of((Found.apply _).curried)

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

  private def answer(wanted: WorkerModules, found: Found): Answer = {
    val modules = wanted.modules.iterator.flatMap { module =>
      found.modules.get(module.name) match {
        case Some(file) => Option.when(!file.digest.contains(module.digest))(refusal(module.name, OtherFile))
        case None => Some(refusal(module.name, "the workers of this executor do not find it"))
      }
    }
    val libraries = wanted.libraries.toSeq.sorted.iterator.flatMap { case (name, version) =>
      val other = found.libraries.getOrElse(name, "none")
      Option.when(other != version)(refusal(name, s"the workers of this executor have $other, the driver has $version"))
    }
    val seen = (found.modules.values ++ found.searched).map(_.seen).filter(_.path.nonEmpty).toSeq.distinct
    Answer((modules ++ libraries ++ found.shadowed.map(refusal(_, OtherFile))).nextOption(), seen)
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
  private def ask(wanted: WorkerModules, includes: Seq[String]): Found = {
    val worker = wanted.worker
    val path = PythonLaunch.entries(WorkerPaths.pythonPath(worker.python, worker.environment.get("PYTHONPATH")),
      Some(PythonLaunch.workingDirectory))
    val folder = WorkerPaths.artifacts.getOrElse(PythonLaunch.workingDirectory.toFile).getAbsolutePath
    val question = Question(Seq(folder), path, includes, wanted.modules.map(_.name), wanted.libraries.keys.toSeq)
    val variables = PythonLaunch.ofProcess(sys.env) ++ PythonLaunch.ofJob(worker.environment) +
      ("PYTHONPATH" -> PythonLaunch.safeEntries(path).mkString(File.pathSeparator))
    val own = SafeFiles.newPrivateFolder()
    try run(worker.python, variables, own, Encoder.bytes(question))
    finally SafeFiles.delete(own)
  }

  private def run(python: String, variables: Map[String, String], folder: Path, request: Array[Byte]): Found = {
    val process = PythonLaunch.builder(python, Seq("-c", script), variables, folder).redirectError(new File("/dev/null")).start()
    try {
      val input = process.getOutputStream
      try input.write(request)
      finally input.close()
      Later.run(LimitSeconds, TimeUnit.SECONDS, Later.Here)(() => process.destroyForcibly())
      val output = process.getInputStream.readAllBytes()
      process.waitFor()
      if (process.exitValue() != 0) throw new IOException(s"$python failed (exit ${process.exitValue()}) when asked for its modules")
      Decoder.result[Found](Encoder.read(output)).fold(what => throw new IOException(s"$python answered for its modules: $what"), identity)
    } finally process.destroyForcibly()
  }
}
