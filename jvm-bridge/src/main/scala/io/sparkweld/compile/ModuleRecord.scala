package io.sparkweld.compile

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.TimeUnit

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

/**
 * A module on which a function depends. `digest`: of its own source; `size` and `modified`: of its file, or of the archive that
 * holds it.
 */
final case class UserModule(name: String, path: String, size: Long, modified: Long, digest: String)

/**
 * Lists the modules and libraries that the functions of a program import, as found by the compile service.
 *
 * @param searched the folders and archives where a module would be found first, with the times of their last change
 * @param libraries the versions of distributions, and of Python itself
 */
final case class ModuleRecord(modules: Seq[UserModule], searched: Seq[(String, Long)], libraries: Map[String, String]) {

  /** Whether the functions depend on no user module. */
  def isEmpty: Boolean = modules.isEmpty

  /** Whether no file of a module has changed on this machine. */
  def untouched: Boolean =
    modules.forall(module => module.path.isEmpty || ModuleRecord.state(Paths.get(module.path)) == ((module.size, module.modified)))

  /** Whether no new file can precede one of them on the import path. */
  def foundFirst: Boolean = searched.forall { case (path, modified) => ModuleRecord.state(Paths.get(path))._2 == modified }
}

object ModuleRecord {
  val Empty: ModuleRecord = ModuleRecord(Nil, Nil, Map.empty)

  /** Returns the record in a reply. */
  def in(json: JsonNode): ModuleRecord = {
    val modules = json.path("modules").elements().asScala.map { module =>
      UserModule(module.path("name").asText, module.path("path").asText, module.path("bytes").asLong,
        module.path("modified").asLong, module.path("digest").asText)
    }.toSeq
    val searched = json.path("searched").elements().asScala
      .map(entry => entry.path("path").asText -> entry.path("modified").asLong).toSeq
    val libraries = json.path("libraries").properties().asScala.map(entry => entry.getKey -> entry.getValue.asText).toMap
    ModuleRecord(modules, searched, libraries)
  }

  /** Returns size and time of a file; -1 when there is none. */
  private[compile] def state(path: Path): (Long, Long) =
    try (Files.size(path), Files.getLastModifiedTime(path).to(TimeUnit.NANOSECONDS))
    catch { case _: IOException => (-1L, -1L) }
}
